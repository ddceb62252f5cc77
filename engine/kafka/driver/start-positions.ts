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
  const group = offsetsGroup(app, core.processor.name);
  return core.sources.map(({ topic, partition, table }, i) => {
    const taken = core.nextOffset(i);
    const known = table ? undefined : committed.get(`${topic}/${partition}`);
    if (taken !== undefined && (known ?? taken) >= taken) return { offset: known ?? taken, taken };
    if (known === undefined) return undefined;
    if (taken !== undefined) throw positionsDiffer(app, core, i, known);
    throw new EngineError(
      'state-lost',
      `task ${core.id}: group ${group} has read ${topic}/${partition} up to offset ${known}, but the changelog holds no state of it. ` +
        `Restore the changelog topic, or let the task begin anew: ${remedy(app, core, i)} --to-earliest`,
    );
  });
}

/** The group's position of a source is not that of the state. */
export function positionsDiffer(app: string, core: TaskCore, source: number, known: number): EngineError {
  const { topic, partition } = core.sources[source]!;
  const taken = core.nextOffset(source)!;
  return new EngineError(
    'positions-differ',
    `task ${core.id}: its state has read ${topic}/${partition} up to offset ${taken}, but group ` +
      `${offsetsGroup(app, core.processor.name)} says ${known}. One of them was changed from outside; put the group back: ` +
      `${remedy(app, core, source)} --to-offset ${taken}`,
  );
}

function remedy(app: string, core: TaskCore, source: number): string {
  const { topic, partition } = core.sources[source]!;
  const group = offsetsGroup(app, core.processor.name);
  return `kafka-consumer-groups.sh --group ${group} --topic ${topic}:${partition} --reset-offsets --execute`;
}
