/** A sink on Kafka as a process of its own, to be killed or frozen: the compiled code of `dist`. */
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { SinkLimits } from '#sinks/clickhouse/sink-limits.ts';
import { startScript, type Started } from './cli-process.fixture.ts';
import type { SinkScene } from './kafka-sink.fixture.ts';

/** Short, for what is killed or frozen; a machine that stands still for so long takes the partitions away from a sink as well. */
export const sessionTimeoutMs = 1_500;

/** For sinks that are to keep their partitions, whatever the machine does. */
export const patientSessionMs = 60_000;

/** What is other than in most tests. */
export interface SinkProcessConfig {
  /** Of ClickHouse, or of what stands before it. */
  readonly url?: string;
  readonly limits?: Partial<SinkLimits>;
  /** `sessionTimeoutMs` by default. */
  readonly sessionTimeoutMs?: number;
  /** Statements that run before the sink is started. */
  readonly prelude?: string;
}

const script = (config: object, prelude: string): string => `
import { WriterSchemas } from '$DIST/engine/codec/writer-schemas.js';
import { openClient } from '$DIST/sinks/clickhouse/client.js';
import { startKafkaSink } from '$DIST/sinks/clickhouse/kafka/kafka-sink.js';
import { tableOf } from '$DIST/sinks/clickhouse/tables.js';
${prelude}
const { url, database, streams, ...config } = ${JSON.stringify(config)};
const client = openClient({ url });
const sink = await startKafkaSink({
  ...config,
  client,
  tables: streams.map((stream) => tableOf(stream, database)),
  writers: new WriterSchemas(),
  onTrouble: (error) => console.log('trouble', error.code, error.message),
  onRetry: ({ place, error }) => console.log('retry', place, error.message),
});
sink.failed.then((error) => console.log('failed', error.message));
process.on('SIGTERM', async () => {
  console.log('stopped', await sink.stop(60_000));
  process.exit(0);
});
console.log('ready');
`;

/** It prints `ready` when it has joined the group, and ends in order on SIGTERM. */
export function startSinkProcess(
  { app, connection, url, streams }: SinkScene,
  {
    url: otherUrl = url,
    limits = { maxRows: 500, flushIntervalMs: 100 },
    sessionTimeoutMs: sessionMs = sessionTimeoutMs,
    prelude = '',
  }: SinkProcessConfig = {},
): Started {
  const config = {
    app,
    connection,
    url: otherUrl,
    database: app,
    streams: [...streams, deadLetters, schemas],
    sessionTimeoutMs: sessionMs,
    heartbeatMs: 200,
    limits,
  };
  return startScript(script(config, prelude));
}
