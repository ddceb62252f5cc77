/**
 * Replays one task: the recorded inputs in the journalled order through the same task core, with chosen batch boundaries
 * and crash points.
 *
 * I1  Outputs are a function of (state at start, inputs, journal, parameters): batch boundaries and crashes change nothing.
 * I2  A crash drops what was not committed and goes on with a new core restored from the changelog, as a real one does.
 * I3  Processors run in strict mode and without ambient clock or randomness.
 */
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import type { JournalEntry } from '../records/generated.ts';
import { bitOf } from '../task/order-journal.ts';
import { TaskCore } from '../task/task-core.ts';
import type { ChangelogEntry, OutputRecord, TaskInput } from '../task/task-io.ts';
import type { Parameters, Processor } from '../topology/processor.ts';
import { withoutAmbient } from './ambient-guard.ts';

export interface TaskReplayOptions {
  readonly processor: Processor;
  readonly partition: number;
  readonly writers: WriterSchemas;
  readonly parameters?: Parameters;
  readonly state: readonly ChangelogEntry[];
  readonly steps: readonly TaskInput[];
  /** How many steps the next batch has before it commits. Default: 100. */
  readonly batchSize?: () => number;
  /** Step numbers before which the process "crashes"; each happens once. */
  readonly crashBefore?: ReadonlySet<number>;
}

export interface TaskReplay {
  readonly outputs: readonly OutputRecord[];
  /** The committed state at the end, as changelog entries in the order of their keys. */
  readonly finalState: readonly ChangelogEntry[];
  readonly crashes: number;
}

export function replayTask(options: TaskReplayOptions): TaskReplay {
  return withoutAmbient(() => {
    const { steps, batchSize = () => 100 } = options;
    const crashes = new Set(options.crashBefore);
    const changelog = [...options.state];
    const outputs: OutputRecord[] = [];
    let core = restored(options, changelog);
    let committedStep = 0;
    let pending: OutputRecord[] = [];
    let commitAt = Math.max(1, batchSize());
    let crashed = 0;
    const commit = (next: number): void => {
      const prepared = core.prepare();
      if (prepared !== null) {
        for (const entry of prepared.changelog) changelog.push(entry);
        for (const output of pending) outputs.push(output);
        core.committed();
      }
      pending = [];
      committedStep = next;
      commitAt = next + Math.max(1, batchSize());
    };
    for (let i = 0; i < steps.length; i += 1) {
      if (crashes.delete(i)) {
        crashed += 1;
        core = restored(options, changelog);
        pending = [];
        i = committedStep - 1;
        commitAt = committedStep + Math.max(1, batchSize());
        continue;
      }
      for (const output of core.step(steps[i]!).outputs) pending.push(output);
      if (i + 1 >= commitAt) commit(i + 1);
    }
    commit(steps.length);
    return { outputs, finalState: core.snapshot(), crashes: crashed };
  });
}

function restored(options: TaskReplayOptions, changelog: readonly ChangelogEntry[]): TaskCore {
  const { processor, partition, writers, parameters = {} } = options;
  const core = new TaskCore({ processor, partition, writers, parameters, strict: true });
  core.restore(changelog);
  return core;
}

/** The inputs that a journal stands for. `recordsOf` gives a partition's records by offset, in order. */
export function journalledSteps(
  journal: readonly JournalEntry[],
  recordsOf: (input: number, partition: number) => readonly LogRecord[],
  place: string,
): readonly TaskInput[] {
  const steps: TaskInput[] = [];
  for (const entry of journal) {
    if (entry.kind === 'tick') {
      steps.push({
        kind: 'tick',
        wallMs: entry.wall_ms,
        caughtUp: (source) => bitOf(entry.caught_up, source),
      });
      continue;
    }
    const records = recordsOf(entry.input, entry.partition);
    const from = indexOfOffset(records, entry.offset);
    for (let i = 0; i < entry.count; i += 1) {
      const record = records[from + i];
      if (record?.offset !== entry.offset + i) {
        throw new EngineError(
          'recording',
          `${place}: the journal wants offset ${entry.offset + i} of input ${entry.input}, partition ${entry.partition}, which is not recorded`,
        );
      }
      steps.push({ kind: 'record', input: entry.input, partition: entry.partition, record });
    }
  }
  return steps;
}

/** Index of the first record at or after an offset. */
export function indexOfOffset(records: readonly LogRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
