/** The local stores of a process's tasks: one directory for each, below the process's own. */
import type { StateStore } from './state-store.ts';
import { VolatileStore } from './state-store.ts';
import type { EngineError } from '../../engine-error.ts';
import type { StoredTask } from './placement.ts';

export class TaskStores {
  constructor(directory: string | undefined, onDiscard: (reason: EngineError) => void) {
    void directory;
    void onDiscard;
  }
  open(processor: string, partition: number): Promise<StateStore> {
    void processor;
    void partition;
    return Promise.resolve(new VolatileStore());
  }
  stored(): readonly StoredTask[] {
    return [];
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
