/**
 * A task that this process was given: taken over, kept alive through what can be mended, given back.
 *
 * I1  A take-over goes in this order: the producer's `initTransactions` ends the predecessor's transaction and fences it; then
 *     positions and the end of the changelog are read; then the state is restored; then the inputs are read from there.
 * I2  After a failure the task is taken over again only once the group has counted this process in since then: one that was
 *     frozen, or that the group has given up, must not fence its successor.
 * I3  What cannot be mended by taking over again (a bug, a refusal, a truncated input) fails the task for good, and is told; the
 *     process goes on with its other tasks.
 * I4  State and positions that do not agree count only when they are found so again after I2: whoever has lost the task without
 *     knowing it may read one of them before, the other after a commit of its successor.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../engine-error.ts';
import { TaskCore } from '../../task/task-core.ts';
import type { Processor } from '../../topology/processor.ts';
import { changelogTopic, offsetsGroup, transactionalId } from '../names.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';
import { committedPositions } from './committed-positions.ts';
import { PartitionGate } from './partition-gate.ts';
import { restoreTask } from './restore-task.ts';
import { positionsDiffer, type StartPosition, startPositions } from './start-positions.ts';
import type { StateStore } from './state-store.ts';
import type { TaskEnvironment } from './task-environment.ts';
import { TaskInput } from './task-input.ts';
import { asEngineError, TaskRun } from './task-run.ts';
import type { TaskPhase, TaskStatus } from './task-status.ts';
import { TransactionalProducer } from './transactional-producer.ts';
import { within } from './within.ts';

const firstPauseMs = 100;
const longestPauseMs = 10_000;
const closeMs = 1_500;
const doubtful: ReadonlySet<string> = new Set(['positions-differ', 'state-lost']);
const noCounters = { records: 0, deadLetters: 0, late: 0, duplicates: 0, timersFired: 0, outputs: 0 };

export class KafkaTask {
  readonly processor: Processor;
  readonly partition: number;
  readonly #env: TaskEnvironment;
  readonly #closing = new AbortController();
  readonly #life: Promise<void>;
  #phase: TaskPhase = 'taking-over';
  #run: TaskRun | undefined;
  #restored = 0;
  #toRestore = 0;
  #error: unknown;
  /** Transactions of all lives that were aborted. */
  #aborts = 0;
  /** Whether the last life ended with everything committed. */
  #isInOrder = false;

  /** Begins at once to take the task over. `onFailed` hears of I3. */
  constructor(
    env: TaskEnvironment,
    processor: Processor,
    partition: number,
    onFailed: (task: KafkaTask, error: unknown) => void,
  ) {
    this.#env = env;
    this.processor = processor;
    this.partition = partition;
    this.#life = this.#live().catch((error: unknown) => {
      this.#error = error;
      this.#phase = 'failed';
      onFailed(this, error);
    });
  }

  /** `<processor>-<partition>` */
  get id(): string {
    return `${this.processor.name}-${this.partition}`;
  }

  get phase(): TaskPhase {
    return this.#phase;
  }

  /** After `release`: whether everything that was processed is committed. */
  get isInOrder(): boolean {
    return this.#isInOrder;
  }

  pump(maxRecords: number, nowMs: number): number {
    return this.#run?.pump(maxRecords, nowMs) ?? 0;
  }

  dueMs(nowMs: number): number {
    return this.#run?.dueMs(nowMs) ?? Infinity;
  }

  status(): TaskStatus {
    const run = this.#run;
    return {
      task: this.id,
      processor: this.processor.name,
      partition: this.partition,
      phase: this.#phase,
      restored: this.#restored,
      toRestore: this.#toRestore,
      counters: { ...(run?.core.counters ?? noCounters) },
      watermarkMs: run?.core.watermarkMs ?? -Infinity,
      keys: run?.core.keyCount ?? 0,
      commits: run?.commits ?? 0,
      aborts: this.#aborts,
      commitMs: [...(run?.commitMs ?? [])],
      lastCommitAtMs: run?.lastCommitAtMs ?? 0,
      inputs: (run?.inputs ?? []).map(({ reader }, i) => ({
        topic: reader.topic,
        partition: reader.partition,
        position: run!.inputs[i]!.position,
        end: reader.lastStableOffset,
        unansweredMs: reader.unansweredMs,
      })),
      isSettled: run?.isSettled ?? false,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Commits what was fed, for `commitTimeoutMs` at most, and gives the task back. Never rejects. */
  async release(commitTimeoutMs: number): Promise<void> {
    const run = this.#run;
    if (run === undefined) {
      // Between two lives nothing is processed that is not committed, or that the next life does not do again.
      this.#isInOrder = this.#phase !== 'failed';
    } else {
      const finished = run.finish().then(() => {
        this.#isInOrder = true;
      });
      await within(commitTimeoutMs, finished);
    }
    await this.drop();
  }

  /** Gives the task back at once; what is not committed is dropped. Never rejects. */
  async drop(): Promise<void> {
    this.#closing.abort();
    const run = this.#run;
    this.#run = undefined;
    if (run !== undefined) await run.close(closeMs, this.#isInOrder);
    await this.#life;
    if (this.#phase !== 'failed') this.#phase = 'closed';
  }

  async #live(): Promise<void> {
    const { signal } = this.#closing;
    let isDoubted = false;
    for (let pauseMs = firstPauseMs; !this.#isClosing(); pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      let failedAtMs: number;
      try {
        const run = await this.#takeOver(signal);
        if (this.#isClosing()) {
          await run.close(closeMs, false);
          return;
        }
        this.#run = run;
        this.#phase = 'running';
        this.#env.wake();
        isDoubted = false;
        await run.over;
        return;
      } catch (error) {
        failedAtMs = performance.now();
        if (error instanceof EngineError && error.code === 'transaction-aborted') this.#aborts += 1;
        // A life that has got something done: its end is no repetition of an earlier failure.
        if ((this.#run?.commits ?? 0) > 0) pauseMs = firstPauseMs;
        await this.#endRun();
        if (this.#isClosing()) return;
        if (this.#isMendable(error)) this.#env.onTrouble(this.id, asEngineError(error));
        else if (isDoubted || !(error instanceof EngineError && doubtful.has(error.code))) throw error;
        else isDoubted = true;
      }
      this.#phase = 'taking-over';
      try {
        await sleep(pauseMs, undefined, { signal });
        await this.#env.confirmed(failedAtMs, signal);
      } catch (error) {
        if (!this.#isClosing()) throw error;
      }
    }
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.close(closeMs, false);
  }

  async #takeOver(signal: AbortSignal): Promise<TaskRun> {
    const { app, connection, writers, parameters } = this.#env;
    this.#phase = 'taking-over';
    const { processor, partition } = this;
    const core = new TaskCore({
      processor,
      partition,
      writers,
      parameters: parameters[processor.name] ?? {},
    });
    const offsets = await this.#env.offsetsOf(processor.name, signal);
    const producer = await TransactionalProducer.open(
      {
        connection,
        transactionalId: transactionalId(app.name, processor.name, partition),
        offsets,
        onTrouble: (error) => {
          this.#env.onTrouble(this.id, error);
        },
      },
      signal,
    );
    let store: StateStore | undefined;
    try {
      store = await this.#env.openStore(processor.name, partition);
      store = await this.#restore(core, store, signal);
      const inputs = await this.#inputsAt(core, signal);
      return new TaskRun(this.#env, { core, producer, store, inputs });
    } catch (error) {
      const storeClosed = store?.close().catch((closing: unknown) => {
        this.#env.onTrouble(this.id, asEngineError(closing));
      });
      await Promise.all([producer.close(closeMs), storeClosed]);
      throw error;
    }
  }

  #restore(core: TaskCore, store: StateStore, signal: AbortSignal): Promise<StateStore> {
    this.#phase = 'restoring';
    return restoreTask({
      reader: this.#env.reader,
      core,
      store,
      topic: changelogTopic(this.#env.app.name, this.processor.name),
      partition: this.partition,
      onProgress: (done, all) => {
        this.#restored = done;
        this.#toRestore = all;
      },
      onStoreFailed: (error) => {
        this.#env.onTrouble(this.id, asEngineError(error));
      },
      signal,
    });
  }

  async #inputsAt(core: TaskCore, signal: AbortSignal): Promise<TaskInput[]> {
    const { app, cluster, reader, gate } = this.#env;
    const group = offsetsGroup(app.name, this.processor.name);
    const committed = await committedPositions(
      cluster,
      group,
      core.sources.filter(({ table }) => !table),
    );
    const positions = startPositions(app.name, core, committed);
    const readers: PartitionReader[] = [];
    try {
      for (const [i, { topic, partition }] of core.sources.entries()) {
        signal.throwIfAborted();
        const position = positions[i];
        const first = await reader.offsetOf(topic, partition, 'start');
        if (position !== undefined && (await this.#leavesOut(topic, partition, position, first)))
          throw positionsDiffer(app.name, core, i, position.offset);
        const start = await this.#startOf(topic, partition, position?.offset, first);
        readers.push(await reader.assign(topic, partition, start));
      }
    } catch (error) {
      for (const one of readers) reader.unassign(one);
      throw error;
    }
    const trouble = (error: EngineError): void => {
      this.#env.onTrouble(this.id, error);
    };
    return readers.map((one) => {
      const ofPartition = new PartitionGate(gate, `${one.topic}/${one.partition}`, trouble);
      return new TaskInput(one, ofPartition, this.#env.settings.staleMs);
    });
  }

  /** Whether there is a record that the task has not taken before the position that it is to go on at. */
  async #leavesOut(
    topic: string,
    partition: number,
    { offset, taken }: StartPosition,
    first: number,
  ): Promise<boolean> {
    const from = Math.max(taken, first);
    if (from >= offset) return false;
    const { signal } = this.#closing;
    const reading = await this.#env.reader.assign(topic, partition, from);
    try {
      while (reading.position < offset && reading.available === 0) {
        signal.throwIfAborted();
        // Fails where reading does; a position beyond the end is found so by reading on from there.
        reading.take(0);
        if (reading.isAtEnd) return false;
        await reading.waitForProgress(
          reading.position,
          AbortSignal.any([signal, AbortSignal.timeout(1_000)]),
        );
      }
      return reading.position < offset;
    } finally {
      this.#env.reader.unassign(reading);
    }
  }

  /** Where to read an input from whose first offset is `first`; `position` where the task has one. */
  async #startOf(
    topic: string,
    partition: number,
    position: number | undefined,
    first: number,
  ): Promise<number> {
    const { reader, settings } = this.#env;
    if (position === undefined) return first;
    const lost = position < first ? this.#truncated(`${topic}/${partition}`, position, first) : undefined;
    if (settings.truncatedInputs === 'stop') {
      if (lost !== undefined) throw lost;
      return position;
    }
    if (lost !== undefined) {
      this.#env.onTrouble(this.id, lost);
      return first;
    }
    const end = await reader.offsetOf(topic, partition, 'end');
    if (position <= end) return position;
    // Nothing can be skipped to: to read it would fail, and be mended by this, for ever.
    throw new EngineError(
      'positions-differ',
      `task ${this.id}: its state has read ${topic}/${partition} up to offset ${position}, but the partition ends at ${end}: the ` +
        'topic was made anew, or brokers lost records. Put the topic back, or let the app begin anew under another name',
    );
  }

  #truncated(place: string, from: number, first: number): EngineError {
    const isSkipped = this.#env.settings.truncatedInputs === 'skip';
    return new EngineError(
      'offset-out-of-range',
      `${place}: retention removed the records from offset ${from} to before ${first}, which task ${this.id} had not read; ` +
        (isSkipped
          ? 'they are skipped'
          : "it stops, for they are lost to it: let the topic keep its records longer (retention.ms), and go on without them by --skip-truncated (truncatedInputs 'skip')"),
    );
  }

  /** Whether a new take-over can help. */
  #isMendable(error: unknown): boolean {
    if (!(error instanceof EngineError)) return false;
    if (error.code === 'offset-out-of-range') return this.#env.settings.truncatedInputs === 'skip';
    return error.retryable || error.code === 'fenced';
  }
}
