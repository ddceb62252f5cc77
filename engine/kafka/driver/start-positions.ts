/**
 * Where a task that is taken over begins to read.
 *
 * I1  The task's own state (in its changelog) and the group's committed positions were written in one transaction, so they
 *     agree. Where they do not, somebody has changed one of them from outside, and any choice could lose or repeat events:
 *     the task stops and says so.
 * I2  Brokers forget the positions of a group after a time (`offsets.retention.minutes`); the state does not, so it then counts
 *     alone.
 */
import { EngineError } from '../../engine-error.ts';
import type { TaskCore } from '../../task/task-core.ts';
import { offsetsGroup } from '../names.ts';

/**
 * Next offset to read by index of the core's sources; undefined where nothing was read yet.
 *
 * @param committed by `<topic>/<partition>`
 * @throws EngineError `state-lost` or `positions-differ`
 */
export function startPositions(
  app: string,
  core: TaskCore,
  committed: ReadonlyMap<string, number>,
): readonly (number | undefined)[] {
  const group = offsetsGroup(app, core.processor.name);
  return core.sources.map(({ topic, partition, table }, i) => {
    const own = core.nextOffset(i);
    const known = table ? undefined : committed.get(`${topic}/${partition}`);
    if (known === undefined || known === own) return own;
    const remedy = `kafka-consumer-groups.sh --group ${group} --topic ${topic}:${partition} --reset-offsets --execute`;
    if (own === undefined)
      throw new EngineError(
        'state-lost',
        `task ${core.id}: group ${group} has read ${topic}/${partition} up to offset ${known}, but the changelog holds no state of it. ` +
          `Restore the changelog topic, or let the task begin anew: ${remedy} --to-earliest`,
      );
    throw new EngineError(
      'positions-differ',
      `task ${core.id}: its state has read ${topic}/${partition} up to offset ${own}, but group ${group} says ${known}. ` +
        `One of them was changed from outside; put the group back: ${remedy} --to-offset ${own}`,
    );
  });
}
