/** Weir's client: publish typed events to Kafka from any Node program. See docs/producing-events.md. */
export { createClient } from './client.ts';
export type { Client, ClientPublishOptions, ClientStats } from './client.ts';
export type { ClientConfig, Framing, WhenFull } from './client-config.ts';
export type { ClientConnection, ClientSasl, ClientTls } from './connection-options.ts';
export { ClientError } from './client-error.ts';
export type { ClientErrorCode } from './client-error.ts';
export { encodeEvent } from './stream-encoder.ts';
export type { EncodedEvent } from './stream-encoder.ts';
