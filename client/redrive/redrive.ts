/**
 * Writes the records of dead letters back to their topics and partitions, each once, whatever crashes.
 *
 * The order of things: open the transactional id, which fences every earlier redrive and decides what it left open; then read
 * the marks; then, in one transaction for some letters at a time, write each record that has no mark, and its mark.
 *
 * I1  A record is written with its mark or not at all, and never when it has a mark: marks are read after the fence, and only
 *     what this redrive writes itself comes after that.
 * I2  What may have been committed or not, because an answer was lost, is decided by beginning again at the fence.
 * I3  A record that the brokers refuse takes no other with it: its transaction is halved until it is alone.
 * I4  A record that its topic would soon delete, by its time, is not written: its mark would outlive it (retention.ts).
 * I5  Two redrives at once do each letter once: the second one to open fences the first, which ends with `fenced`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#engine/engine-error.ts';
import { type KafkaConnection, kafkajsConfig } from '#engine/kafka/connection.ts';
import type { PlacedRecord } from '#engine/kafka/driver/transactional-producer.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { ClientError } from '../client-error.ts';
import { type Connect, connector } from '../producer/broker-connection.ts';
import { batchBytesOf } from '../producer/record-batch.ts';
import { type Letter, redrivenRecord } from './letter.ts';
import { originalOf } from './original-record.ts';
import { markOf, redrivenOrigins, redrivenTopic } from './redriven-marks.ts';
import { Retentions, timeToWrite } from './retention.ts';
import { TransactionalWriter } from './transactional-writer.ts';

/** Of every redrive in a cluster: one at a time. */
export const redriveTransactionalId = 'weir-redrive';

export interface RedriveConfig {
  readonly connection: KafkaConnection;
  /** Some at a time; an origin that comes again is redriven once. */
  readonly letters: Iterable<readonly Letter[]> | AsyncIterable<readonly Letter[]>;
  /**
   * Write with the time of now what is too old for its topic (retention.ts); without it, it is refused. What may not be too old,
   * since its topic's retention cannot be read, is refused in any case.
   */
  readonly renewsTime?: boolean;
  /** Of one transaction; 100 by default. */
  readonly maxRecords?: number;
  /** Brokers abort a transaction that takes longer, and it is tried again; 30 s by default. */
  readonly transactionTimeoutMs?: number;
  /** How long to go on without any success while brokers are gone or busy; 60 s by default. */
  readonly patienceMs?: number;
  readonly onProgress?: (result: RedriveResult) => void;
  /** Ends it after the transaction that is under way. */
  readonly signal?: AbortSignal;
  /** How to connect for writing; by the connection's settings when it is left out. */
  readonly connect?: Connect;
}

/** What could not be redriven, and why. */
export interface Refusal {
  readonly origin: string;
  readonly reason: string;
}

export interface RedriveResult {
  /** Written by this redrive. */
  readonly redriven: number;
  /** Had been redriven before. */
  readonly already: number;
  readonly refused: readonly Refusal[];
}

const connectTimeoutMs = 5_000;
const requestTimeoutMs = 15_000;
const retryPauseMs = 200;
/** Below what a topic takes by default, 1,048,588. */
const maxTransactionBytes = 900_000;
const neverAborted = new AbortController().signal;

/** A letter and what is to be written of it. */
interface Ready {
  readonly letter: Letter;
  readonly record: PlacedRecord;
}

/**
 * Redrives letters. When `signal` aborts it resolves early, with what was done.
 *
 * @throws ClientError `fenced`, `refused`, or what is in the way for longer than `patienceMs`; EngineError as KafkaReader and ensureTopics
 */
export async function redrive(config: RedriveConfig): Promise<RedriveResult> {
  await ensureTopics(config.connection, [redrivenTopic]);
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(config.connection), maxWaitMs: 50 });
  const run = new Redrive(config, reader);
  try {
    for await (const page of config.letters) {
      if (config.signal?.aborted === true) break;
      await run.write(page);
    }
    return run.result();
  } finally {
    await run.close();
    await reader.close();
  }
}

class Redrive {
  readonly #config: RedriveConfig;
  readonly #reader: KafkaReader;
  readonly #connect: Connect;
  readonly #retentions: Retentions;
  readonly #refused: Refusal[] = [];
  /** Those that this redrive has tried to write: a mark of one of them is of this redrive's. */
  readonly #tried = new Set<string>();
  readonly #settled = new Set<string>();
  #marks: ReadonlyMap<string, number> = new Map();
  #writer: TransactionalWriter | undefined;
  #redriven = 0;
  #already = 0;
  #lastSuccessMs = performance.now();

  constructor(config: RedriveConfig, reader: KafkaReader) {
    this.#config = config;
    this.#reader = reader;
    this.#retentions = new Retentions(config.connection);
    this.#connect =
      config.connect ??
      connector({
        kafka: kafkajsConfig(config.connection),
        connectTimeoutMs,
        requestTimeoutMs,
        keepsProcess: true,
      });
  }

  result(): RedriveResult {
    return { redriven: this.#redriven, already: this.#already, refused: [...this.#refused] };
  }

  async close(): Promise<void> {
    await Promise.all([this.#closeWriter(), this.#retentions.close()]);
  }

  async #closeWriter(): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
  }

  async write(page: readonly Letter[]): Promise<void> {
    await this.#opened();
    const fresh = page.filter(({ origin }) => !this.#settled.has(origin));
    const once = [...new Map(fresh.map((letter) => [letter.origin, letter])).values()].sort(byPlace);
    let ready: Ready[] = [];
    let bytes = 0;
    for (const letter of once) {
      if (this.#isStopped()) return;
      if (this.#isMarked(letter.origin)) continue;
      const one = await this.#readied(letter);
      if (one === undefined) continue;
      const size = batchBytesOf(one.record);
      if (ready.length > 0 && bytes + size > maxTransactionBytes) {
        await this.#commit(ready);
        [ready, bytes] = [[], 0];
      }
      ready.push(one);
      bytes += size;
      if (ready.length >= (this.#config.maxRecords ?? 100)) {
        await this.#commit(ready);
        [ready, bytes] = [[], 0];
      }
    }
    if (ready.length > 0) await this.#commit(ready);
  }

  #isStopped(): boolean {
    return this.#config.signal?.aborted === true;
  }

  async #readied(letter: Letter): Promise<Ready | undefined> {
    const { signal = neverAborted, renewsTime = false } = this.#config;
    try {
      const found = await originalOf(this.#reader, letter, signal);
      if ('missing' in found) {
        this.#refuse(letter, found.missing);
        return undefined;
      }
      const { original } = found;
      const refused = await this.#retentions.refusalOf(letter.topic, original.timestampMs, signal);
      const time = timeToWrite(refused, original.timestampMs, { renewsTime, nowMs: Date.now() });
      if (!('refusal' in time)) return { letter, record: redrivenRecord(letter, { ...original, ...time }) };
      this.#refuse(letter, time.refusal);
    } catch (error) {
      if (this.#isStopped()) return undefined;
      if (!(error instanceof EngineError && error.code === 'unknown-topic')) throw error;
      this.#refuse(letter, error.message);
    }
    return undefined;
  }

  /** Writes them in one transaction, or, where some of them cannot be written, in smaller ones. */
  async #commit(ready: readonly Ready[]): Promise<void> {
    if (this.#isStopped()) return;
    const left = await this.#committed(ready);
    if (left === undefined) return;
    const { rest, error } = left;
    if (rest.length === 1) {
      this.#refuse(rest[0]!.letter, error.message);
      return;
    }
    const middle = Math.ceil(rest.length / 2);
    await this.#commit(rest.slice(0, middle));
    await this.#commit(rest.slice(middle));
  }

  /** Until they are in, or the brokers refuse: then what is left of them, and why. */
  async #committed(
    ready: readonly Ready[],
  ): Promise<{ readonly rest: readonly Ready[]; readonly error: ClientError } | undefined> {
    for (;;) {
      const writer = await this.#opened();
      const rest = ready.filter(({ letter }) => !this.#isMarked(letter.origin));
      if (rest.length === 0) return undefined;
      try {
        for (const { letter } of rest) this.#tried.add(letter.origin);
        const nowMs = Date.now();
        await writer.commit([
          ...rest.map(({ record }) => record),
          ...rest.map(({ letter }) => markOf(letter, nowMs)),
        ]);
      } catch (error) {
        await this.#closeWriter();
        if (!(error instanceof ClientError) || error.code === 'fenced') throw error;
        if (!error.retryable) return { rest, error };
        await this.#pauseAfter(error);
        continue;
      }
      for (const { letter } of rest) this.#settle(letter.origin, 'redriven');
      return undefined;
    }
  }

  /** The fence, then the marks. Opened anew after every failure. */
  async #opened(): Promise<TransactionalWriter> {
    const { transactionTimeoutMs } = this.#config;
    for (;;) {
      if (this.#writer !== undefined) return this.#writer;
      let writer: TransactionalWriter | undefined;
      try {
        writer = await TransactionalWriter.open({
          connect: this.#connect,
          transactionalId: redriveTransactionalId,
          ...(transactionTimeoutMs === undefined ? {} : { transactionTimeoutMs }),
          signal: neverAborted,
        });
        this.#marks = await redrivenOrigins(this.#reader, neverAborted);
        this.#writer = writer;
      } catch (error) {
        await writer?.close();
        const mayPass = (error instanceof ClientError || error instanceof EngineError) && error.retryable;
        if (!mayPass) throw error;
        await this.#pauseAfter(error);
      }
    }
  }

  async #pauseAfter(error: Error): Promise<void> {
    if (performance.now() - this.#lastSuccessMs > (this.#config.patienceMs ?? 60_000)) throw error;
    await sleep(retryPauseMs);
  }

  #isMarked(origin: string): boolean {
    if (!this.#marks.has(origin)) return false;
    this.#settle(origin, this.#tried.has(origin) ? 'redriven' : 'already');
    return true;
  }

  #refuse({ origin }: Letter, reason: string): void {
    this.#refused.push({ origin, reason });
    this.#settled.add(origin);
    this.#config.onProgress?.(this.result());
  }

  #settle(origin: string, how: 'redriven' | 'already'): void {
    if (this.#settled.has(origin)) return;
    this.#settled.add(origin);
    if (how === 'redriven') this.#redriven += 1;
    else this.#already += 1;
    this.#lastSuccessMs = performance.now();
    this.#config.onProgress?.(this.result());
  }
}

/** Those of a partition in their old order. */
function byPlace(a: Letter, b: Letter): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return (a.partition ?? -1) - (b.partition ?? -1) || (a.offset ?? -1) - (b.offset ?? -1);
}
