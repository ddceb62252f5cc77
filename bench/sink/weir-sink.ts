/** Weir's sink as a contender: `weir-sink.js --name=value ...` runs it until SIGTERM, with its default limits but for the time of flushing. */
import { parseArgs } from 'node:util';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { ioSamples } from '#schemas/failover/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';

const required = { type: 'string', default: '' } as const;
const { values } = parseArgs({
  options: { bootstrap: required, url: required, database: required, app: required, 'flush-ms': required },
});
const stopTimeoutMs = 10_000;

const client = openClient({ url: values.url });
const sink = await startKafkaSink({
  connection: { brokers: [values.bootstrap] },
  client,
  app: values.app,
  tables: [tableOf(ioSamples, values.database)],
  writers: new WriterSchemas(),
  limits: { flushIntervalMs: Number(values['flush-ms']) },
});
void sink.failed.then((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

async function stop(): Promise<void> {
  const isKept = await sink.stop(stopTimeoutMs);
  await client.close();
  process.exit(isKept ? 0 : 1);
}
process.once('SIGTERM', () => void stop());
