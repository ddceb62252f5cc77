/** Connects one partition's sink with ClickHouse, the log and what all partitions share. */
import type { ClickHouseClient } from '@clickhouse/client';
import { eventCodec, type EventCodec } from '#engine/codec/event-codec.ts';
import type { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LogWriter, NewRecord, PartitionSource } from '#engine/log/log.ts';
import { deadLetterRecord, deadLetterWithoutBytes } from '#engine/records/dead-letter.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { countPresent, doAllAnswer, presentOffsets, type OffsetRange } from './audit.ts';
import type { Batch } from './batch.ts';
import type { BytePool } from './byte-pool.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { EncoderPool } from './encoder-pool.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { tokenOf } from './intent.ts';
import { insertNative } from './native-insert.ts';
import type { InsertOptions, InsertOutcome, PartitionPorts } from './partition-ports.ts';
import { retryTransient, type RetryConfig, type Retrying } from './retry.ts';
import { rowReader, type Rejected } from './row-reader.ts';
import type { Table } from './tables.ts';
import type { Judgement, TokenMemory } from './token-memory.ts';
import type { Turns } from './turns.ts';

/** Who says so on a dead letter. */
const READER = 'sink clickhouse';

export interface Shared {
  readonly client: ClickHouseClient;
  readonly writers: WriterSchemas;
  /** Of the log of all partitions: see intent.ts, I3. */
  readonly incarnation: string;
  readonly encoders: EncoderPool;
  readonly turns: Turns;
  readonly bytes: BytePool;
  readonly inserts: ConcurrencyLimit;
  readonly retry: RetryConfig;
  readonly nowMs: () => number;
  readonly onRetry: (retrying: Retrying) => void;
  /** Hears what somebody has to look at although the sink goes on. */
  readonly onTrouble: (error: SinkError) => void;
}

export interface TableCounters {
  rows: number;
  /** Bytes of Native blocks. */
  bytes: number;
  batches: number;
  retries: number;
  deadLetters: number;
}

/** What all partitions of a table share. */
export interface TableParts {
  readonly table: Table;
  readonly codec: EventCodec<unknown>;
  readonly counters: TableCounters;
  readonly memory: TokenMemory;
}

/** Dead letters of records, and the offset after the last of these records: to be written and committed, best at once. */
export interface Finishing {
  readonly letters: readonly NewRecord[];
  /** The same without the records' own bytes, for a log that refuses them: they stay where they are. */
  readonly lettersWithoutBytes: () => readonly NewRecord[];
  readonly offset: number;
}

/** Writes and commits; called again after a failure that may pass. */
export type Finish = (finishing: Finishing, stop: AbortSignal) => Promise<void>;

/** Writes the dead letters, then commits. A crash between the two writes them again, with the same `ce_source` and `ce_id`. */
export function writeThenCommit(source: PartitionSource, deadLetters: LogWriter): Finish {
  return async ({ letters, offset }) => {
    await deadLetters.write(letters);
    await source.commit(offset, '');
  };
}

/** The ports of one partition. */
export function partitionPorts(
  shared: Shared,
  { table, codec, counters, memory }: TableParts,
  source: PartitionSource,
  finish: Finish,
): PartitionPorts {
  const place = `table ${table.database}.${table.name}, ${source.topic}/${source.partition}`;
  const patiently = <T>(work: () => Promise<T>, stop: AbortSignal): Promise<T> =>
    retryTransient(work, place, stop, shared.retry, (retrying) => {
      counters.retries += 1;
      shared.onRetry(retrying);
    });
  const { topic, partition } = source;
  const { cluster } = table;
  const range = (from: number, to: number): OffsetRange => ({ topic, partition, from, to });
  return {
    source,
    incarnation: shared.incarnation,
    ...(cluster === undefined
      ? {}
      : {
          replicas: {
            doAllAnswer: (stop) => patiently(() => doAllAnswer(shared.client, cluster, stop), stop),
          },
        }),
    readRow: rowReader(table, (bytes) => codec.decode(bytes)),
    insert: (batch, stop, options) =>
      insertBatch({ shared, table, source, counters, memory, place, patiently }, batch, stop, options),
    mark: (stop) => patiently(() => unlessStopped(memory.mark(), stop), stop),
    judge: (from, to, mark, stop) =>
      patiently(
        () =>
          unlessStopped(memory.judge(mark, { ...range(from, to), incarnation: shared.incarnation }), stop),
        stop,
      ),
    onTrouble: (error) => {
      shared.onTrouble(new SinkError(error.code, `table ${table.database}.${table.name}, ${error.message}`));
    },
    present: (from, to, stop) =>
      patiently(() => countPresent(shared.client, table, range(from, to), stop), stop),
    presentOffsets: (from, to, stop) =>
      patiently(() => presentOffsets(shared.client, table, range(from, to), stop), stop),
    commit: (offset, metadata, stop) => patiently(() => source.commit(offset, metadata), stop),
    finish: finisher(shared, source, counters, (finishing, stop) =>
      patiently(() => finish(finishing, stop), stop),
    ),
    turn: (startedAtMs) => shared.turns.take(startedAtMs),
    takeEncoder: () => shared.encoders.take(table),
    returnEncoder: (encoder) => {
      shared.encoders.giveBack(table, encoder);
    },
    resize: (fromBytes, toBytes) => shared.bytes.resize(fromBytes, toBytes),
  };
}

/** Waits for what others wait for, too, and rejects when `stop` aborts before: it is not ended for one of them. */
async function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new SinkError('stopped', 'stopped'));
    };
    stop.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    stop.removeEventListener('abort', onAbort);
  }
}

type Patiently = <T>(work: () => Promise<T>, stop: AbortSignal) => Promise<T>;

interface Inserting {
  readonly shared: Shared;
  readonly table: Table;
  readonly source: PartitionSource;
  readonly counters: TableCounters;
  readonly memory: TokenMemory;
  readonly place: string;
  readonly patiently: Patiently;
}

async function insertBatch(
  to: Inserting,
  batch: Batch,
  stop: AbortSignal,
  options: InsertOptions = {},
): Promise<InsertOutcome> {
  const { shared, table, source, counters } = to;
  const { topic, partition } = source;
  const { from, to: end } = batch;
  const block = batch.encoder.encode(topic, partition);
  const token = options.token ?? tokenOf(batch.incarnation, topic, partition, from, end);
  let attempts = 0;
  const attempt = async (): Promise<Judgement | undefined> => {
    if (options.memory !== undefined) {
      const range = { topic, partition, from, to: end, incarnation: batch.incarnation };
      const judgement = await unlessStopped(to.memory.judge(options.memory, range), stop);
      if (judgement.kind !== 'remembered') return judgement;
    }
    attempts += 1;
    await insertNative(shared.client, { table, block, token }, stop);
    return undefined;
  };
  try {
    const judgement = await to.patiently(() => shared.inserts.run(table, attempt), stop);
    if (judgement !== undefined) return { kind: 'kept-back', judgement };
  } catch (error) {
    if (error instanceof SinkError) throw error;
    const failure = classify(error);
    if (failure === 'partitions') return { kind: 'too-large' };
    const described = describeFailure(error, failure, to.place);
    // A dead letter about a dead letter that is refused would be refused again, and so on.
    if (failure !== 'data' || source.topic === deadLetters.topic) throw described;
    return { kind: 'refused', error: described };
  }
  // What is inserted beside the promise was counted with it.
  if (options.token === undefined) counters.rows += batch.rows;
  counters.bytes += block.length;
  counters.batches += 1;
  return { kind: 'in', isRepeated: attempts > 1 };
}

function finisher(
  shared: Shared,
  source: PartitionSource,
  counters: TableCounters,
  finish: Finish,
): (offset: number, rejected: readonly Rejected[], stop: AbortSignal) => Promise<void> {
  const codec = eventCodec(deadLetters, shared.writers);
  const { topic, partition } = source;
  return async (offset, rejected, stop) => {
    const failedAtMs = shared.nowMs();
    const lettersBy = (make: typeof deadLetterRecord): NewRecord[] =>
      rejected.map(({ record, code, reason }) =>
        make(codec, record, { reader: READER, topic, partition, code, reason, failedAtMs }),
      );
    const letters = lettersBy(deadLetterRecord);
    const lettersWithoutBytes = (): readonly NewRecord[] => lettersBy(deadLetterWithoutBytes);
    await finish({ letters, lettersWithoutBytes, offset }, stop);
    counters.deadLetters += letters.length;
  };
}
