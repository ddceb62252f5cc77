/** Events over HTTP, for those without a Kafka client. See docs/producing-events.md. */
export { startIngest } from './start-ingest.ts';
export type { Ingest, IngestStats } from './start-ingest.ts';
export type { IngestConfig, IngestLimits } from './ingest-config.ts';
export { readTokens, tokensFromEnvironment } from './tokens.ts';
export type { IngestToken } from './tokens.ts';
