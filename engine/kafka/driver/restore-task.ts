/**
 * Brings a task's core to the state of its changelog: what the local store has, and the changelog from there to its end.
 *
 * I1  It is over when the position has reached the end that was asked for after the predecessor was fenced, never at "the last
 *     record seen": control records and compaction leave no record to see there.
 * I2  A store whose offset is not within the changelog (records were lost, or retention removed them) is emptied, never believed. One of
 *     a topic that was made anew since does not come here (task-stores.ts, I2): its offset may well fit.
 * I3  A store that cannot be emptied, written or read any more (a full disk) is given up for this life of the task; the restore goes
 *     on without it.
 * I4  Others run meanwhile: heartbeats go on however much there is to read and to load.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaReader } from '../reader/kafka-reader.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import type { TaskCore } from '../../task/task-core.ts';
import { loadState } from './load-state.ts';
import type { StateStore } from './state-store.ts';
import { VolatileStore } from './state-store.ts';

export interface Restoring {
  readonly reader: KafkaReader;
  readonly core: TaskCore;
  readonly store: StateStore;
  readonly topic: string;
  readonly partition: number;
  /** Told now and then: offsets of the changelog read, and to be read in all. */
  readonly onProgress: (done: number, all: number) => void;
  readonly onStoreFailed: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const recordsPerTurn = 5_000;
/** Nothing may be at hand though the end is not reached: the broker is asked again meanwhile. */
const idlePauseMs = 5;

/** @returns the store, which may be another one after a failure. @throws as KafkaReader; AbortError */
export async function restoreTask(restoring: Restoring): Promise<StateStore> {
  const { reader, core, topic, partition, signal } = restoring;
  const [start, end] = await Promise.all([
    reader.offsetOf(topic, partition, 'start'),
    reader.offsetOf(topic, partition, 'end'),
  ]);
  for (let { store } = restoring; ; store = new VolatileStore()) {
    try {
      const fits = store.offset <= end && (store.offset === 0 || store.offset >= start);
      if (!fits) await ofStore(() => store.clear());
      const changelog = await reader.assign(topic, partition, Math.max(store.offset, start));
      try {
        await readInto(store, changelog, end, restoring);
      } finally {
        reader.unassign(changelog);
      }
      signal.throwIfAborted();
      await loadState(core, await ofStore(() => [...store.entries()]), signal);
      store.restored();
      return store;
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      // What the broken store holds cannot be added to: begin again without one.
      restoring.onStoreFailed(error.cause);
      await store.close().catch(restoring.onStoreFailed);
    }
  }
}

class StoreFailure extends Error {}

async function ofStore<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new StoreFailure('the local store failed', { cause });
  }
}

async function readInto(
  store: StateStore,
  changelog: PartitionReader,
  end: number,
  { onProgress, signal }: Restoring,
): Promise<void> {
  const from = changelog.position;
  onProgress(0, end - from);
  while (changelog.position < end) {
    await changelog.settled(signal);
    signal.throwIfAborted();
    const records = changelog.take(recordsPerTurn);
    if (records.length === 0) {
      if (changelog.position < end) await sleep(idlePauseMs);
      continue;
    }
    const entries: ChangelogEntry[] = [];
    for (const { key, value } of records) if (key !== null) entries.push({ key, value });
    await ofStore(() => store.write(entries, changelog.position));
    onProgress(changelog.position - from, end - from);
  }
}
