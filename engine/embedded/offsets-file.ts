/**
 * Where the offsets of an embedded run's topics ended, for the next run to go on from.
 *
 * What a table holds does not tell it alone: its last rows may have expired, and the last records may have become dead
 * letters. Offsets given twice are worse than untidy: ClickHouse takes an insert of the same range for a repeated one and
 * drops it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { EngineError } from '../engine-error.ts';
import type { MemoryLog } from '../log/memory-log.ts';

/** By topic and partition: the offset that the next record gets. */
export type NextOffsets = ReadonlyMap<string, readonly number[]>;

/** Notes where the topics end now, in one go. */
export async function writeOffsets(path: string, log: MemoryLog): Promise<void> {
  const ends = log.topics.map(
    (topic) =>
      [
        topic,
        Array.from({ length: log.partitionCount(topic) }, (_, partition) => log.endOffset(topic, partition)),
      ] as const,
  );
  try {
    await writeFile(`${path}.new`, `${JSON.stringify(Object.fromEntries(ends))}\n`);
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new EngineError('recording', `cannot write ${path}: ${String(error)}`, { cause: error });
  }
}

/** What the last run noted, or nothing before the first one. An unreadable file is an error that names it. */
export async function readOffsets(path: string): Promise<NextOffsets> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw new EngineError('recording', `cannot read ${path}: ${String(error)}`, { cause: error });
  }
  try {
    return new Map(Object.entries(JSON.parse(text) as Record<string, number[]>));
  } catch (error) {
    throw new EngineError('recording', `${path} is damaged: ${String(error)}`, { cause: error });
  }
}

/** The larger of two, partition by partition. */
export function laterOffsets(a: NextOffsets, b: NextOffsets): NextOffsets {
  const later = new Map(a);
  for (const [topic, offsets] of b) {
    const other = a.get(topic) ?? [];
    const partitions = Math.max(offsets.length, other.length);
    later.set(
      topic,
      Array.from({ length: partitions }, (_, p) => Math.max(offsets[p] ?? 0, other[p] ?? 0)),
    );
  }
  return later;
}
