/**
 * One life of a task on Kafka, from its take-over until it ends: feeds the core, commits its transactions.
 *
 * I1  Between the beginning of a commit and its outcome the core takes no step.
 * I2  Outputs, changelog, order journal and positions of a commit are one transaction. Only after it is committed does the
 *     core count as committed, and then it goes to the local store.
 * I3  Any failure, an aborted transaction too, ends this life: `over` rejects, and nothing is fed or committed after that. Its
 *     producer is used up (transactional-producer.ts, I7), and only a take-over may open another: it reads anew what is
 *     committed.
 * I4  The store's offset is a lower bound of its content: the end of the changelog as it was before a commit began is noted with
 *     that commit. An end that no later commit proved to be before any successor's records is not noted. What is committed is all
 *     that the changelog had when the commit began, and so is noted with it: whoever is frozen after may have a successor.
 * I5  An input counts as read to its end only while its broker answers; one that was found behind since the last tick counts as
 *     behind at the next.
 */
import { EngineError } from '../../engine-error.ts';
import { partitionOf } from '../../log/murmur2.ts';
import type { Headers, LogRecord } from '../../log/log.ts';
import { nextSource } from '../../task/input-merge.ts';
import type { TaskCore } from '../../task/task-core.ts';
import type { Commit, OutputRecord, RecordInput } from '../../task/task-io.ts';
import { journalHeaders } from '../journal-parameters.ts';
import { changelogTopic, journalTopic } from '../names.ts';
import { InputPositions } from './input-positions.ts';
import { VolatileStore, type StateStore } from './state-store.ts';
import type { TaskEnvironment } from './task-environment.ts';
import type { TaskInput } from './task-input.ts';
import type { PlacedRecord, TransactionalProducer } from './transactional-producer.ts';
import { within } from './within.ts';

/** A commit does not wait for its interval when there is more than this to write. */
const maxOutputs = 20_000;
const maxFed = 100_000;
/** Of the order journal, some 25 bytes each: a chunk is one record, and brokers take 1 MB. */
const maxJournalLength = 10_000;
const floorEveryMs = 5_000;
/** An idle task commits what lies behind the last records and is none at most this often. */
const passEveryMs = 10_000;
const keptCommitTimes = 100;
/** A disk that is slower than the commits holds the task up, not memory. */
const maxUnwritten = 200_000;

export interface TaskRunParts {
  readonly core: TaskCore;
  readonly producer: TransactionalProducer;
  readonly store: StateStore;
  /** One for each source of the core. */
  readonly inputs: readonly TaskInput[];
}

export class TaskRun {
  readonly core: TaskCore;
  /** Resolves when the task was finished; rejects with what ended it. */
  readonly over: Promise<void>;
  readonly commitMs: number[] = [];
  commits = 0;
  lastCommitAtMs = 0;
  readonly #env: TaskEnvironment;
  readonly #producer: TransactionalProducer;
  readonly #inputs: readonly TaskInput[];
  readonly #positions: InputPositions;
  readonly #journalHeaders: Headers;
  readonly #input: { kind: 'record'; input: number; partition: number; record: LogRecord };
  #store: StateStore;
  #pending: OutputRecord[] = [];
  #fed = 0;
  #uncommitted = false;
  #committing: Promise<void> | undefined;
  #lastCommitMs = -Infinity;
  #lastTickMs = -Infinity;
  #lastCheckMs = -Infinity;
  #lastPassMs = performance.now();
  /** Entries that were given to the store and are not in its file yet. */
  #unwritten = 0;
  #floor: number | undefined;
  #floorAskedMs = -Infinity;
  #isOver = false;
  #end: { readonly resolve: () => void; readonly reject: (error: unknown) => void };

  constructor(env: TaskEnvironment, { core, producer, store, inputs }: TaskRunParts) {
    this.#env = env;
    this.core = core;
    this.#producer = producer;
    this.#store = store;
    this.#inputs = inputs;
    this.#positions = new InputPositions(core, inputs);
    const { name, parameters } = core.processor;
    this.#journalHeaders = journalHeaders({ ...parameters, ...env.parameters[name] });
    this.#input = { kind: 'record', input: 0, partition: 0, record: unread };
    let resolve: () => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    this.over = new Promise<void>((resolveOver, rejectOver) => {
      resolve = resolveOver;
      reject = rejectOver;
    });
    this.over.catch(() => undefined);
    this.#end = { resolve, reject };
  }

  get inputs(): readonly TaskInput[] {
    return this.#inputs;
  }

  /** Whether all that its inputs hold is processed and committed. */
  get isSettled(): boolean {
    const isIdle = !this.#isOver && this.#committing === undefined && !this.#uncommitted;
    return isIdle && this.#inputs.every((input) => input.isAtEnd);
  }

  /** Feeds up to `maxRecords` records, and begins a commit when it is due. Returns how many it fed. */
  pump(maxRecords: number, nowMs: number): number {
    if (!this.#isOpen()) return 0;
    let fed = 0;
    try {
      for (; fed < maxRecords; fed += 1) {
        for (const input of this.#inputs) input.refill(nowMs);
        const index = nextSource(this.#inputs);
        if (index < 0) break;
        if (nowMs - this.#lastTickMs >= this.#env.settings.tickIntervalMs) {
          this.#tick(nowMs);
          // A timer's urgent output has begun a commit (I1).
          if (!this.#isOpen()) break;
        }
        this.#feed(index, nowMs);
        if (!this.#isOpen()) break;
      }
      this.#fed += fed;
      if (fed === 0 && this.#isOpen()) this.#tickIfItMatters(nowMs);
      this.#commitIfDue(nowMs);
    } catch (error) {
      this.#fail(error);
    }
    return fed;
  }

  /** When it is to be pumped again though nothing arrives, on the clock of `nowMs`. */
  dueMs(nowMs: number): number {
    if (this.#isOver || this.#committing !== undefined) return Infinity;
    const { commitIntervalMs, tickIntervalMs } = this.#env.settings;
    const dueMs = Math.min(
      this.#uncommitted ? this.#lastCommitMs + commitIntervalMs : Infinity,
      Math.max(this.#lastCheckMs, this.#lastTickMs) + tickIntervalMs,
    );
    return Math.max(dueMs, nowMs);
  }

  /** Feeds nothing more and commits what was fed. Resolves when that is committed, or rejects with what ended the task. */
  async finish(): Promise<void> {
    for (;;) {
      await this.#committing;
      if (this.#isOver || !this.#uncommitted) break;
      this.#beginCommit(performance.now());
    }
    if (this.#isOver) return this.over;
    this.#isOver = true;
    this.#end.resolve();
  }

  /** Gives up everything that the task holds, within `timeoutMs`. What is not committed is dropped. */
  async close(timeoutMs: number, isInOrder: boolean): Promise<void> {
    this.#isOver = true;
    this.#end.resolve();
    const { reader } = this.#env;
    for (const input of this.#inputs) reader.unassign(input.reader);
    if (isInOrder) await within(timeoutMs, this.#noteEnd());
    await Promise.all([this.#producer.close(timeoutMs), this.#store.close().catch(this.#giveStoreUp)]);
  }

  /**
   * The end of the changelog goes into the store, so that the next life need not read it. A successor may be writing there
   * already, and this store has nothing of that: so the end counts only when a transaction that began after it was asked for is
   * committed, which a successor would have fenced. It commits the positions once more.
   */
  async #noteEnd(): Promise<void> {
    const isStored = !(this.#store instanceof VolatileStore);
    if (this.#positions.current().length === 0 || !(isStored || this.#positions.haveMoved)) return;
    try {
      const askedAtMs = Date.now();
      const end = isStored ? await this.#changelogEnd() : 0;
      await this.#commitPositions();
      // Closing the store hurries it, and tells what goes wrong.
      if (isStored) this.#store.write([], end, askedAtMs).catch(() => undefined);
    } catch (error) {
      const failure = asEngineError(error);
      if (failure.code !== 'fenced') this.#env.onTrouble(this.core.id, failure);
    }
  }

  /** Nothing but the positions, while nothing else is to be committed. */
  #commitPositions(): Promise<void> {
    return this.#positions.commitBy((positions) => this.#producer.commit({ records: [], positions }));
  }

  #changelogEnd(): Promise<number> {
    const { app, reader } = this.#env;
    return reader.offsetOf(changelogTopic(app.name, this.core.processor.name), this.core.partition, 'end');
  }

  #isOpen(): boolean {
    return !this.#isOver && this.#committing === undefined;
  }

  #feed(index: number, nowMs: number): void {
    const source = this.core.sources[index]!;
    this.#input.input = source.input;
    this.#input.partition = source.partition;
    this.#input.record = this.#inputs[index]!.take();
    this.#uncommitted = true;
    const effects = this.core.step(this.#input satisfies RecordInput);
    if (effects.outputs.length === 0) return;
    for (const output of effects.outputs) this.#pending.push(output);
    if (effects.urgent || this.#pending.length >= maxOutputs) this.#beginCommit(nowMs);
  }

  #tick(nowMs: number): void {
    this.#lastTickMs = nowMs;
    this.#lastCheckMs = nowMs;
    this.#uncommitted = true;
    const caughtUp = this.#inputs.map((input) => input.caughtUpAtTick());
    const effects = this.core.step({
      kind: 'tick',
      wallMs: Math.floor(Date.now()),
      caughtUp: (i) => caughtUp[i]!,
    });
    for (const output of effects.outputs) this.#pending.push(output);
    if (effects.urgent) this.#beginCommit(nowMs);
  }

  #tickIfItMatters(nowMs: number): void {
    if (nowMs - Math.max(this.#lastCheckMs, this.#lastTickMs) < this.#env.settings.tickIntervalMs) return;
    this.#lastCheckMs = nowMs;
    const caughtUp = this.#inputs.map((input) => input.look());
    const wallMs = Math.floor(Date.now());
    // An input that cannot be read makes no tick by itself: there may be no broker to commit it to.
    const isTold = caughtUp.every(Boolean) && this.core.tickMatters(wallMs, (i) => caughtUp[i]!);
    if (isTold || wallMs >= this.core.nextWallTimerMs) this.#tick(nowMs);
  }

  #commitIfDue(nowMs: number): void {
    if (this.#committing !== undefined || this.#isOver) return;
    if (!this.#uncommitted) {
      if (nowMs - this.#lastPassMs >= passEveryMs) this.#pass(nowMs);
      return;
    }
    const isDue = nowMs - this.#lastCommitMs >= this.#env.settings.commitIntervalMs;
    if (isDue || this.#fed >= maxFed || this.core.journalLength >= maxJournalLength) this.#beginCommit(nowMs);
  }

  #pass(nowMs: number): void {
    this.#lastPassMs = nowMs;
    if (this.#positions.haveMoved) this.#await(this.#commitPositions());
  }

  #beginCommit(nowMs: number): void {
    if (this.#committing !== undefined) return;
    this.#lastCommitMs = nowMs;
    this.#fed = 0;
    this.#uncommitted = false;
    this.#await(this.#commit());
  }

  #await(commit: Promise<void>): void {
    this.#committing = commit
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => {
        this.#committing = undefined;
        this.#env.wake();
      });
  }

  async #commit(): Promise<void> {
    const commit = this.core.prepare();
    if (commit === null) return;
    const outputs = this.#pending;
    this.#pending = [];
    const floor = this.#floor;
    this.#floor = undefined;
    const startedMs = performance.now();
    const startedAtMs = Date.now();
    const records = this.#recordsOf(commit, outputs);
    await this.#positions.commitBy((positions) => this.#producer.commit({ records, positions }));
    this.core.committed();
    this.#noteCommit(performance.now() - startedMs);
    // A store that is being closed takes no more: what it lacks is read from the changelog.
    if (this.#isOver || this.#store instanceof VolatileStore) return;
    this.#askForFloor();
    await this.#keep(commit, floor, startedAtMs);
  }

  /** Gives a commit to the store, without waiting for the disk unless that is far behind. */
  async #keep({ changelog }: Commit, floor: number | undefined, completeAtMs: number): Promise<void> {
    this.#unwritten += changelog.length;
    const written = this.#store.write(changelog, floor, completeAtMs).then(() => {
      this.#unwritten -= changelog.length;
    }, this.#giveStoreUp);
    if (this.#unwritten > maxUnwritten) await written;
  }

  #noteCommit(tookMs: number): void {
    this.commits += 1;
    this.lastCommitAtMs = Date.now();
    this.commitMs.push(tookMs);
    if (this.commitMs.length > keptCommitTimes) this.commitMs.shift();
  }

  #recordsOf({ changelog, journal }: Commit, outputs: readonly OutputRecord[]): PlacedRecord[] {
    const { app, partitionsOf } = this.#env;
    const { processor, partition } = this.core;
    const timestampMs = Date.now();
    const records: PlacedRecord[] = outputs.map((output) => ({
      ...output,
      partition: partitionOf(output.key, partitionsOf(output.topic)),
    }));
    const topic = changelogTopic(app.name, processor.name);
    for (const { key, value } of changelog)
      records.push({ topic, partition, key, value, timestampMs, headers: noHeaders });
    if (journal !== null)
      records.push({
        topic: journalTopic(app.name, processor.name),
        partition,
        key: null,
        value: journal,
        timestampMs,
        headers: this.#journalHeaders,
      });
    return records;
  }

  #askForFloor(): void {
    const nowMs = performance.now();
    if (nowMs - this.#floorAskedMs < floorEveryMs) return;
    this.#floorAskedMs = nowMs;
    // A failure costs nothing but a longer restore: it is asked again.
    this.#changelogEnd().then(
      (end) => {
        this.#floor = end;
      },
      (error: unknown) => {
        this.#env.onTrouble(this.core.id, asEngineError(error));
      },
    );
  }

  readonly #giveStoreUp = (error: unknown): void => {
    if (this.#store instanceof VolatileStore) return;
    this.#env.onTrouble(this.core.id, asEngineError(error));
    const broken = this.#store;
    this.#store = new VolatileStore();
    broken.close().catch((closing: unknown) => {
      this.#env.onTrouble(this.core.id, asEngineError(closing));
    });
  };

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#pending = [];
    this.#uncommitted = false;
    this.#end.reject(error);
    this.#env.wake();
  }
}

const noHeaders = {};
const unread: LogRecord = { offset: -1, key: null, value: null, timestampMs: 0, headers: {} };

export function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new EngineError('kafka-unreachable', message, { cause: error, retryable: true });
}
