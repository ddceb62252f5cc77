/**
 * How far a task has come in its inputs, as it is committed.
 *
 * A position lies past all records that were taken, and past what comes then and is no record: markers, aborted ones. They are
 * committed too, also when nothing else is: else retention would one day remove them, and they would seem to be records that
 * were not read.
 */
import type { TaskCore } from '../../task/task-core.ts';
import type { Position } from '../../task/task-io.ts';
import type { TaskInput } from './task-input.ts';

export class InputPositions {
  readonly #core: TaskCore;
  readonly #inputs: readonly TaskInput[];
  #committed: readonly number[];

  /** @param inputs one for each source of the core */
  constructor(core: TaskCore, inputs: readonly TaskInput[]) {
    this.#core = core;
    this.#inputs = inputs;
    this.#committed = inputs.map(({ start }) => start);
  }

  /** Next offsets to read, of the topics of which something was read; of tables the state keeps them. */
  current(): Position[] {
    return this.#core.sources.flatMap(({ topic, partition }, i) =>
      this.#isCommitted(i) ? [{ topic, partition, offset: this.#inputs[i]!.position }] : [],
    );
  }

  /** Whether an input has come further than was committed. */
  get haveMoved(): boolean {
    return this.#inputs.some(({ position }, i) => position > this.#committed[i]! && this.#isCommitted(i));
  }

  /** Commits them by `commit`, which is given them. */
  async commitBy(commit: (positions: readonly Position[]) => Promise<void>): Promise<void> {
    const reached = this.#inputs.map(({ position }) => position);
    await commit(this.current());
    this.#committed = reached;
  }

  #isCommitted(source: number): boolean {
    return !this.#core.sources[source]!.table && this.#core.nextOffset(source) !== undefined;
  }
}
