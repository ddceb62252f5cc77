/** What tests of the store share: directories, identities, and a deterministic stream of writes with the state that follows from it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChangelogEntry } from '../../task/task-io.ts';
import type { StoreIdentity } from './store-record.ts';
import { openTaskStore, type TaskStore, type TaskStoreConfig } from './task-store.ts';

export const identity: StoreIdentity = {
  clusterId: 'cluster-1',
  changelogTopic: 'app.processor-changelog',
  topicId: 'topic-1',
  partition: '3',
  format: '1',
};

export async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-store-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export interface Opened {
  readonly store: TaskStore;
  /** Reasons of what was thrown away. */
  readonly discarded: readonly string[];
}

export async function opened(directory: string, config: Partial<TaskStoreConfig> = {}): Promise<Opened> {
  const discarded: string[] = [];
  const store = await openTaskStore({
    directory,
    identity,
    onDiscard: ({ reason, message }) => discarded.push(`${reason}: ${message}`),
    ...config,
  });
  return { store, discarded };
}

export type Content = ReadonlyMap<string, string>;

/** By the key as latin1, values as latin1. */
export function contentOf(entries: Iterable<ChangelogEntry>): Content {
  const content = new Map<string, string>();
  for (const { key, value } of entries) {
    const text = key.toString('latin1');
    if (content.has(text)) throw new Error(`key ${text} comes twice`);
    if (value === null) throw new Error(`key ${text} is a deletion`);
    content.set(text, value.toString('latin1'));
  }
  return content;
}

export function apply(content: Map<string, string>, entries: readonly ChangelogEntry[]): void {
  for (const { key, value } of entries) {
    if (value === null) content.delete(key.toString('latin1'));
    else content.set(key.toString('latin1'), value.toString('latin1'));
  }
}

/** A small linear congruential generator: the same numbers in every process. */
export function numbers(seed: number): (below: number) => number {
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x5bd1e995) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
}

/** The entries of write number `n`: new keys, overwritten ones, deletions, long keys, long values. */
export function writeNumber(n: number, keys = 3_000): ChangelogEntry[] {
  const random = numbers(n);
  return Array.from({ length: 1 + random(40) }, (): ChangelogEntry => {
    const id = random(keys);
    const key = Buffer.from(id % 40 === 0 ? `k${'long '.repeat(80 + (id % 500))}${id}` : `k${id}`);
    if (random(4) === 0) return { key, value: null };
    return { key, value: Buffer.alloc(random(50) === 0 ? random(15_000) : random(120), `${n},${id};`) };
  });
}

/** The content after the writes 1 to `n`. */
export function contentAfter(n: number, keys?: number): Content {
  const content = new Map<string, string>();
  for (let i = 1; i <= n; i += 1) apply(content, writeNumber(i, keys));
  return content;
}
