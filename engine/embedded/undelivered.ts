/**
 * What a run could not deliver to a group before it had to stop, kept on disk for the next run: records and the group's
 * committed position with its metadata, so that a promise made is still kept; and the schemas that they were written with, for
 * the next run may be of a newer Weir.
 *
 *     <directory>/undelivered.json     names the files; without it there is nothing to take over
 *     <directory>/<keep>/<topic>/<partition>.avro
 *     <directory>/<keep>/schemas.avro
 *
 * I1  The list is replaced in one go when its files are whole: whatever happens on the way, a full disk or a SIGKILL, what
 *     was kept before is either still there or delivered or part of what is kept now.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { recordedRecordSchema, schemas } from '../records/generated.ts';
import { AvroFileWriter, readAvroFile } from '../replay/avro-file.ts';
import { logRecord, recordedRecord } from '../replay/recorded-record.ts';

interface Entry {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
  readonly records: number;
  /** Relative to the directory. */
  readonly file: string;
}

interface List {
  readonly schemas: { readonly records: number; readonly file: string };
  readonly entries: readonly Entry[];
}

const listFile = 'undelivered.json';
const readRecords = 10_000;

/**
 * Writes what `group` has not committed past, in place of what was kept before. Resolves to the number of records; with 0
 * nothing is left on disk. Rejects with an error that names the file if it cannot be written.
 */
export async function keepUndelivered(
  directory: string,
  log: MemoryLog,
  group: string,
  writers: WriterSchemas,
): Promise<number> {
  const keep = randomUUID();
  try {
    return await keepAs(keep, directory, log, group, writers);
  } catch (error) {
    // What is not whole only takes space that others may be waiting for.
    await rm(join(directory, keep), { recursive: true, force: true });
    throw error;
  }
}

async function keepAs(
  keep: string,
  directory: string,
  log: MemoryLog,
  group: string,
  writers: WriterSchemas,
): Promise<number> {
  const entries = await writeRecords(directory, keep, log, group);
  if (entries.length === 0) {
    await rm(directory, { recursive: true, force: true });
    return 0;
  }
  const list: List = { schemas: await writeSchemas(directory, keep, writers), entries };
  const path = join(directory, listFile);
  try {
    await writeFile(`${path}.new`, JSON.stringify(list, null, 2));
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new EngineError('recording', `cannot write ${path}: ${String(error)}`, { cause: error });
  }
  for (const name of await readdir(directory)) {
    if (name !== listFile && name !== keep) await rm(join(directory, name), { recursive: true, force: true });
  }
  return entries.reduce((sum, entry) => sum + entry.records, 0);
}

async function writeRecords(
  directory: string,
  keep: string,
  log: MemoryLog,
  group: string,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const topic of log.topics) {
    for (let partition = 0; partition < log.partitionCount(topic); partition += 1) {
      const committed = log.committed(group, topic, partition);
      if (committed === undefined || log.endOffset(topic, partition) <= committed.offset) continue;
      const name = join(keep, topic, `${partition}.avro`);
      const file = await AvroFileWriter.create(join(directory, name), recordedRecordSchema);
      for (let offset = committed.offset; ;) {
        const records = log.read(topic, partition, offset, readRecords);
        if (records.length === 0) break;
        for (const record of records) file.append(recordedRecord(record));
        offset += records.length;
      }
      await file.close();
      entries.push({ topic, partition, ...committed, records: file.count, file: name });
    }
  }
  return entries;
}

async function writeSchemas(
  directory: string,
  keep: string,
  writers: WriterSchemas,
): Promise<List['schemas']> {
  const name = join(keep, 'schemas.avro');
  const file = await AvroFileWriter.create(join(directory, name), schemas);
  // The time of the announcement says nothing here, and the engine has no clock of its own.
  for (const announcement of writers.announcements(0)) file.append(announcement);
  await file.close();
  return { records: file.count, file: name };
}

/**
 * Puts what an earlier run kept back into the log. The topics must exist and be empty. Resolves to the number of records.
 * The files stay until the next `keepUndelivered`: a run that is killed leaves them to the one after it.
 * @param delivered by topic and partition: the offset after the last one that has arrived. A run that was killed may have
 *   delivered part of what it found kept; deliveries are whole batches in the order of offsets, so the rest begins there.
 * @param writers learns the schemas that the records were written with
 */
export async function restoreUndelivered(
  directory: string,
  log: MemoryLog,
  group: string,
  delivered: ReadonlyMap<string, readonly number[]>,
  writers: WriterSchemas,
): Promise<number> {
  let text: string;
  try {
    text = await readFile(join(directory, listFile), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw new EngineError(
      'recording',
      `cannot read what an earlier run kept in ${directory}: ${String(error)}`,
      { cause: error },
    );
  }
  const list = JSON.parse(text) as List;
  const announced = await readAvroFile(join(directory, list.schemas.file), schemas, list.schemas.records);
  for (const announcement of announced) writers.addAnnouncement(announcement);
  let count = 0;
  for (const { topic, partition, offset, metadata, records, file } of list.entries) {
    const kept = await readAvroFile(join(directory, file), recordedRecordSchema, records);
    const arrivedTo = delivered.get(topic)?.[partition] ?? 0;
    const rest = kept.map(logRecord).filter((record) => record.offset >= arrivedTo);
    if (rest.length === 0) continue;
    const committed = arrivedTo > offset ? { offset: arrivedTo, metadata: '' } : { offset, metadata };
    log.restore(group, topic, partition, committed, rest);
    count += rest.length;
  }
  return count;
}
