/**
 * The pipeline as one would write it without Weir: kafkajs, avsc, @clickhouse/client and JSONEachRow. Rows of a partition are
 * gathered over fetches into inserts of as many rows as Weir's, or what is there after `--flush-ms`; offsets are committed after
 * the insert: at least once. `hand-written.js --name=value ...` runs it until SIGTERM.
 */
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import avro from 'avsc';
import { type EachBatchPayload, Kafka, type KafkaMessage, logLevel } from 'kafkajs';

const maxRows = 50_000;
const maxBytesPerPartition = 4 << 20;
/** Confluent's framing: a zero, and the schema's id in four bytes. */
const headerBytes = 5;

const required = { type: 'string', default: '' } as const;
const { values } = parseArgs({
  options: {
    bootstrap: required,
    url: required,
    table: required,
    group: required,
    topic: required,
    registry: required,
    'flush-ms': required,
  },
});

const flushIntervalMs = Number(values['flush-ms']);
const types = new Map<number, avro.Type>();

/** Asks the registry for the schema of an id that is met for the first time. */
async function learn(id: number): Promise<avro.Type> {
  const answer = await fetch(`${values.registry}/schemas/ids/${id}`);
  const { schema } = (await answer.json()) as { schema: string };
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema);
  types.set(id, type);
  return type;
}

interface Batch {
  readonly partition: number;
  readonly rows: object[];
  readonly startedAtMs: number;
  nextOffset: bigint;
}

/** What is gathered of each partition. */
const batches = new Map<number, Batch>();
const client = createClient({ url: values.url, request_timeout: 60_000 });
const kafka = new Kafka({ brokers: [values.bootstrap], logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: values.group, maxBytesPerPartition });

/** As ClickHouse reads it fastest. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, -1).replace('T', ' ');
}

function rowOf(type: avro.Type, partition: number, message: KafkaMessage): object {
  const { value, offset, timestamp, headers } = message;
  const event = type.fromBuffer(value!.subarray(headerBytes)) as { readonly sampled_at: number };
  return {
    ...event,
    sampled_at: timeText(event.sampled_at),
    _topic: values.topic,
    _partition: partition,
    _offset: offset,
    _timestamp: timeText(Number(timestamp)),
    _ce_source: headers?.['ce_source']?.toString() ?? '',
    _ce_id: headers?.['ce_id']?.toString() ?? '',
  };
}

async function insert({ partition, rows, nextOffset }: Batch): Promise<void> {
  batches.delete(partition);
  await client.insert({ table: values.table, values: rows, format: 'JSONEachRow' });
  await consumer.commitOffsets([{ topic: values.topic, partition, offset: String(nextOffset) }]);
}

async function takeBatch(payload: EachBatchPayload): Promise<void> {
  const { partition, messages } = payload.batch;
  for (const message of messages) {
    const id = message.value!.readUInt32BE(1);
    const type = types.get(id) ?? (await learn(id));
    const batch = batches.get(partition) ?? { partition, rows: [], startedAtMs: Date.now(), nextOffset: 0n };
    batches.set(partition, batch);
    batch.rows.push(rowOf(type, partition, message));
    batch.nextOffset = BigInt(message.offset) + 1n;
    if (batch.rows.length >= maxRows) await insert(batch);
  }
  await payload.heartbeat();
}

/** What is left at the end of the topic, where no further messages come. */
async function insertOverdue(): Promise<void> {
  const overdue = [...batches.values()].filter(
    ({ startedAtMs }) => Date.now() - startedAtMs >= flushIntervalMs,
  );
  await Promise.all(overdue.map(insert));
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}

await consumer.connect();
await consumer.subscribe({ topic: values.topic, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 4,
  eachBatch: (payload) => takeBatch(payload).catch(fail),
});
const timer = setInterval(() => void insertOverdue().catch(fail), flushIntervalMs / 4);

async function stop(): Promise<void> {
  clearInterval(timer);
  await consumer.disconnect();
  await client.close();
  process.exit(0);
}
process.once('SIGTERM', () => void stop().catch(fail));
