/** Reads a recording. What is missing or truncated is named before anything is replayed. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import {
  journalChunkSchema,
  recordedRecordSchema,
  schemas,
  type JournalEntry,
} from '../records/generated.ts';
import type { ChangelogEntry } from '../task/task-io.ts';
import { readAvroFile } from './avro-file.ts';
import { logRecord } from './recorded-record.ts';
import { manifestFile, type RecordedTask, type RecordedTopic, type RecordingManifest } from './recording.ts';

/** One task as recorded: its state at the start and the order in which it took its inputs. */
export interface TaskRecording {
  readonly processor: string;
  readonly partition: number;
  readonly state: readonly ChangelogEntry[];
  readonly journal: readonly JournalEntry[];
}

export interface Recording {
  /** For messages: the directory, or what else holds it. */
  readonly name: string;
  readonly manifest: Pick<RecordingManifest, 'parameters'> & {
    readonly topics: readonly Pick<RecordedTopic, 'topic' | 'partition'>[];
    readonly tasks: readonly Pick<RecordedTask, 'processor' | 'partition' | 'inputs'>[];
  };
  readonly writers: WriterSchemas;
  task(processor: string, partition: number): Promise<TaskRecording>;
  /** Records of a topic's partition by offset, in order; empty if the recording has none. */
  records(topic: string, partition: number): Promise<readonly LogRecord[]>;
}

/** Opens a recording, checking that every file of its manifest is there. */
export async function openRecording(directory: string): Promise<Recording> {
  const manifest = await readManifest(directory);
  const files = [
    ...manifest.topics.map((topic) => topic.file),
    ...manifest.tasks.flatMap((task) => [task.journal.file, task.state.file]),
    manifest.schemas.file,
  ];
  const missing: string[] = [];
  for (const file of files) {
    const found = await stat(join(directory, file)).then(
      (status) => status.isFile(),
      () => false,
    );
    if (!found) missing.push(file);
  }
  if (missing.length > 0) {
    throw new EngineError(
      'recording',
      `the recording ${directory} is not whole; missing: ${missing.join(', ')}. Copy the whole directory, or record again`,
    );
  }
  const writers = new WriterSchemas();
  for (const announced of await readAvroFile(
    join(directory, manifest.schemas.file),
    schemas,
    manifest.schemas.records,
  )) {
    writers.addAnnouncement(announced);
  }
  const cache = new Map<string, Promise<readonly LogRecord[]>>();
  return {
    name: directory,
    manifest,
    writers,
    task: (processor, partition) => readTask(directory, manifest, processor, partition),
    records: (topic, partition) => {
      const id = `${topic}/${partition}`;
      let records = cache.get(id);
      if (records === undefined) {
        records = readTopic(directory, manifest, topic, partition);
        cache.set(id, records);
      }
      return records;
    },
  };
}

async function readManifest(directory: string): Promise<RecordingManifest> {
  const path = join(directory, manifestFile);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new EngineError(
      'recording',
      `${directory} is no complete recording: it has no ${manifestFile} (${String(error)}). A recording that was cut off cannot be replayed`,
      { cause: error },
    );
  }
  let manifest: Partial<RecordingManifest> | null;
  try {
    manifest = JSON.parse(text) as Partial<RecordingManifest> | null;
  } catch (error) {
    throw new EngineError('recording', `${path} is damaged: ${String(error)}`, { cause: error });
  }
  if (manifest?.format !== 1) {
    throw new EngineError(
      'recording',
      `${path} is of format ${String(manifest?.format)}; this Weir reads format 1`,
    );
  }
  const { topics, tasks, parameters } = manifest;
  if (!Array.isArray(topics) || !Array.isArray(tasks) || !manifest.schemas || !parameters)
    throw new EngineError(
      'recording',
      `${path} is damaged: topics, tasks, schemas or parameters are missing`,
    );
  return manifest as RecordingManifest;
}

async function readTask(
  directory: string,
  manifest: RecordingManifest,
  processor: string,
  partition: number,
): Promise<TaskRecording> {
  const task: RecordedTask | undefined = manifest.tasks.find(
    (t) => t.processor === processor && t.partition === partition,
  );
  if (task === undefined)
    throw new EngineError('recording', `the recording ${directory} has no task ${processor}/${partition}`);
  const state = await readAvroFile(
    join(directory, task.state.file),
    recordedRecordSchema,
    task.state.records,
  );
  const chunks = await readAvroFile(
    join(directory, task.journal.file),
    journalChunkSchema,
    task.journal.records,
  );
  return {
    processor,
    partition,
    state: state.map(({ key, value }) => ({ key: key ?? Buffer.alloc(0), value })),
    journal: chunks.flatMap((chunk) => chunk.entries),
  };
}

async function readTopic(
  directory: string,
  manifest: RecordingManifest,
  topic: string,
  partition: number,
): Promise<readonly LogRecord[]> {
  const found = manifest.topics.find((t) => t.topic === topic && t.partition === partition);
  if (found === undefined) return [];
  const records = await readAvroFile(join(directory, found.file), recordedRecordSchema, found.records);
  return records.map(logRecord);
}
