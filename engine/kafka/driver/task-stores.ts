/**
 * The local stores of a process's tasks: `<state directory>/<app>/<processor>/<partition>`.
 *
 * I1  A store that cannot be opened (another process has it, no disk) costs a longer restore, never the task.
 * I2  A store is of one topic, not of its name: where the changelog was made anew, or where it is not known whether it was, what is
 *     here is thrown away. So the topic's id is asked for before anything of the topic is read.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../engine-error.ts';
import { changelogTopic } from '../names.ts';
import { openTaskStore } from '../store/task-store.ts';
import type { StoredTask } from './placement.ts';
import { VolatileStore, type StateStore } from './state-store.ts';
import { asEngineError } from './task-run.ts';

/** Of the entries' layout: raised when older stores could be misread. */
const format = '1';

export interface TaskStoresConfig {
  /** Of one process; undefined for stores in memory. */
  readonly directory: string | undefined;
  readonly app: string;
  readonly processors: readonly string[];
  readonly clusterId: string;
  /** As the function of this name, with patience. */
  readonly topicIdOf: (topic: string, partition: number) => Promise<string | undefined>;
  readonly onTrouble: (task: string, error: EngineError) => void;
}

export class TaskStores {
  readonly #config: TaskStoresConfig;
  /** What lies on this disk, by changelog topic and partition, with the offset that was last heard of. */
  readonly #stored = new Map<string, StoredTask>();

  private constructor(config: TaskStoresConfig) {
    this.#config = config;
  }

  /** Looks which stores there are. */
  static async find(config: TaskStoresConfig): Promise<TaskStores> {
    const stores = new TaskStores(config);
    for (const processor of config.processors) {
      const found = config.directory === undefined ? [] : await numbersIn(stores.#place(processor));
      // That it is there is known without opening it; how far it has come is not.
      for (const partition of found) stores.#note(processor, partition, 1);
    }
    return stores;
  }

  /** For the assignor: tasks whose state is (partly) on this disk. */
  stored(): readonly StoredTask[] {
    return [...this.#stored.values()];
  }

  /** @throws EngineError as `topicIdOf` */
  async open(processor: string, partition: number): Promise<StateStore> {
    const { app, clusterId, directory, onTrouble, topicIdOf } = this.#config;
    if (directory === undefined) return new VolatileStore();
    const topic = changelogTopic(app, processor);
    const trouble = (error: EngineError): void => {
      onTrouble(`${processor}-${partition}`, error);
    };
    const topicId = await topicIdOf(topic, partition);
    if (topicId === undefined) {
      trouble(withoutId(topic));
      return new VolatileStore();
    }
    try {
      const store = await openTaskStore({
        directory: join(this.#place(processor), String(partition)),
        identity: { clusterId, changelogTopic: topic, topicId, partition: String(partition), format },
        onDiscard: ({ message }) => {
          trouble(new EngineError('store-failed', message, { retryable: true }));
        },
      });
      this.#note(processor, partition, store.offset);
      return store;
    } catch (error) {
      trouble(asEngineError(error));
      return new VolatileStore();
    }
  }

  #place(processor: string): string {
    return join(this.#config.directory!, this.#config.app, processor);
  }

  #note(processor: string, partition: number, offset: number): void {
    const topic = changelogTopic(this.#config.app, processor);
    this.#stored.set(`${topic}-${partition}`, { topic, partition, offset });
  }
}

const withoutId = (topic: string): EngineError =>
  new EngineError(
    'unsupported-broker',
    `the cluster gives topic ${topic} no id, so a local store may be of a former topic of that name: none is used; use Apache ` +
      'Kafka 2.8 or newer',
  );

async function numbersIn(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}
