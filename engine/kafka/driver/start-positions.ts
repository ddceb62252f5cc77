/**
 * Where a task that is taken over begins to read.
 *
 * I1  The task's own state (in its changelog) and the group's committed positions were written in one transaction, so they
 *     agree: the state knows the last record, the group also what came behind it and is no record (markers, aborted ones). Where
 *     they do not agree, somebody has changed one of them from outside, and any choice could lose or repeat events: the task
 *     stops and says so.
 * I2  Brokers forget the positions of a group after a time (`offsets.retention.minutes`); the state does not, so it then counts
 *     alone.
 */
import { EngineError } from '../../engine-error.ts';
import type { TaskCore } from '../../task/task-core.ts';
import type { Source } from '../../task/task-io.ts';
import { offsetsGroup } from '../names.ts';

/** Where a task goes on reading one of its sources. */
export interface StartPosition {
  /** Next offset to read. */
  readonly offset: number;
  /** After the last record that the task has taken: from here to `offset` there must be no record. */
  readonly taken: number;
}

/**
 * By index of the core's sources; undefined where nothing was read yet. Whether there are records that a position leaves out is
 * to be looked at: `leftOut` says that.
 *
 * @param committed by `<topic>/<partition>`
 * @throws EngineError `state-lost` or `positions-differ`
 */
export function startPositions(
  app: string,
  core: TaskCore,
  committed: ReadonlyMap<string, number>,
): readonly (StartPosition | undefined)[] {
  const knownOf = ({ topic, partition, table }: Source): number | undefined =>
    table ? undefined : committed.get(`${topic}/${partition}`);
  const lost = core.sources.filter(
    (source, i) => core.nextOffset(i) === undefined && knownOf(source) !== undefined,
  );
  if (lost.length > 0) throw stateLost(app, core, lost, committed);
  return core.sources.map((source, i) => {
    const taken = core.nextOffset(i);
    if (taken === undefined) return undefined;
    const known = knownOf(source) ?? taken;
    if (known < taken) throw positionsDiffer(app, core, i, known);
    return { offset: known, taken };
  });
}

/**
 * A position that is only set to another place, the earliest too, says still that the source was read: it has to be forgotten. All
 * are named, or the next start would stop at the next one.
 */
function stateLost(
  app: string,
  core: TaskCore,
  lost: readonly Source[],
  committed: ReadonlyMap<string, number>,
): EngineError {
  const read = lost.map(({ topic, partition }) => `${topic}/${partition}`);
  const upTo = read.map((place) => `${place} up to offset ${committed.get(place)!}`).join(', ');
  return new EngineError(
    'state-lost',
    `task ${core.id}: group ${offsetsGroup(app, core.processor.name)} has read ${upTo}, but the changelog holds no state of it. ` +
      'Restore the changelog topic; or let the task begin anew, which reads what is left of its inputs and writes its outputs ' +
      `again: ${groupCommand(app, core, lost)} --delete-offsets, then start again`,
  );
}

/** The group's position of a source is not that of the state. */
export function positionsDiffer(app: string, core: TaskCore, source: number, known: number): EngineError {
  const { topic, partition } = core.sources[source]!;
  const taken = core.nextOffset(source)!;
  const command = groupCommand(app, core, [core.sources[source]!]);
  return new EngineError(
    'positions-differ',
    `task ${core.id}: its state has read ${topic}/${partition} up to offset ${taken}, but group ` +
      `${offsetsGroup(app, core.processor.name)} says ${known}. One of them was changed from outside; put the group back: ` +
      `${command} --reset-offsets --execute --to-offset ${taken}`,
  );
}

function groupCommand(app: string, core: TaskCore, sources: readonly Source[]): string {
  const topics = sources.map(({ topic, partition }) => `--topic ${topic}:${partition}`);
  return `kafka-consumer-groups.sh --group ${offsetsGroup(app, core.processor.name)} ${topics.join(' ')}`;
}
