/**
 * Writes a recording. The manifest comes last: what has one is complete.
 *
 * I1  A failure to write (a full disk, say) stops the recording, never the run: it is kept and given by `finish`.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { avroType } from '../codec/avro-type.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import {
  journalChunkSchema,
  recordedRecordSchema,
  schemas,
  type JournalChunk,
  type RecordedRecord,
} from '../records/generated.ts';
import type { ChangelogEntry } from '../task/task-io.ts';
import type { Parameters } from '../topology/processor.ts';
import { AvroFileWriter } from './avro-file.ts';
import { recordedRecord } from './recorded-record.ts';
import { manifestFile, type RecordedTask, type RecordedTopic, type RecordingManifest } from './recording.ts';

const journalType = avroType(journalChunkSchema.schema);

interface TaskFiles {
  readonly processor: string;
  readonly partition: number;
  readonly inputs: readonly string[];
  readonly journal: AvroFileWriter<JournalChunk>;
  readonly state: AvroFileWriter<RecordedRecord>;
}

export class RecordingWriter {
  readonly directory: string;
  readonly #app: string;
  readonly #parameters: Readonly<Record<string, Parameters>>;
  readonly #topics = new Map<
    string,
    { topic: string; partition: number; file: AvroFileWriter<RecordedRecord> }
  >();
  readonly #tasks = new Map<string, TaskFiles>();
  #error: unknown;

  private constructor(directory: string, app: string, parameters: Readonly<Record<string, Parameters>>) {
    this.directory = directory;
    this.#app = app;
    this.#parameters = parameters;
  }

  /** Makes the directory; it must be new or empty. */
  static async create(
    directory: string,
    app: string,
    parameters: Readonly<Record<string, Parameters>>,
  ): Promise<RecordingWriter> {
    try {
      await mkdir(directory, { recursive: true });
      if ((await readdir(directory)).length > 0) {
        throw new EngineError('recording', `${directory} is not empty: give a new directory to record into`);
      }
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw new EngineError('recording', `cannot record into ${directory}: ${String(error)}`, {
        cause: error,
      });
    }
    return new RecordingWriter(directory, app, parameters);
  }

  /** The error that stopped the recording, if one did. */
  get error(): unknown {
    return this.#error;
  }

  async addTopic(topic: string, partitions: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition += 1) {
      const file = await AvroFileWriter.create(
        join(this.directory, 'topics', topic, `${partition}.avro`),
        recordedRecordSchema,
      );
      this.#topics.set(`${topic}/${partition}`, { topic, partition, file });
    }
  }

  /** Adds a task with its state at the start of the recording, as changelog entries. */
  async addTask(
    { processor, partition, inputs }: Pick<RecordedTask, 'processor' | 'partition' | 'inputs'>,
    state: readonly ChangelogEntry[],
  ): Promise<void> {
    const path = (kind: string): string =>
      join(this.directory, 'tasks', processor, `${partition}.${kind}.avro`);
    const files = {
      processor,
      partition,
      inputs,
      journal: await AvroFileWriter.create(path('journal'), journalChunkSchema),
      state: await AvroFileWriter.create(path('state'), recordedRecordSchema),
    };
    state.forEach(({ key, value }, offset) => {
      files.state.append({ offset, timestamp_ms: 0, key, value, headers: [] });
    });
    this.#tasks.set(`${processor}/${partition}`, files);
  }

  /** Whether the disk is behind with a topic: the caller had better wait with more of it. */
  isSaturated(topic: string, partition: number): boolean {
    return this.#topics.get(`${topic}/${partition}`)?.file.isSaturated ?? false;
  }

  records(topic: string, partition: number, records: readonly LogRecord[]): void {
    this.#attempt(() => {
      const entry = this.#topics.get(`${topic}/${partition}`);
      if (entry === undefined)
        throw new EngineError('recording', `topic ${topic}/${partition} is not part of this recording`);
      for (const record of records) entry.file.append(recordedRecord(record));
    });
  }

  /** Adds an encoded JournalChunk of a task. */
  journal(processor: string, partition: number, chunk: Buffer): void {
    this.#attempt(() => {
      const task = this.#tasks.get(`${processor}/${partition}`);
      if (task === undefined)
        throw new EngineError('recording', `task ${processor}/${partition} is not part of this recording`);
      task.journal.append(journalType.fromBuffer(chunk) as JournalChunk);
    });
  }

  /** Closes the files and writes the manifest. Rejects with the first error, naming the file. */
  async finish(writers: WriterSchemas, finishedAtMs: number): Promise<RecordingManifest> {
    const closing = [
      ...[...this.#topics.values()].map(({ file }) => file.close()),
      ...[...this.#tasks.values()].flatMap((task) => [task.journal.close(), task.state.close()]),
    ];
    const failed = (await Promise.allSettled(closing)).find((result) => result.status === 'rejected');
    this.#error ??= failed?.reason;
    if (this.#error !== undefined) throw this.#error as Error;
    const announced = await AvroFileWriter.create(join(this.directory, 'schemas.avro'), schemas);
    for (const announcement of writers.announcements(finishedAtMs)) announced.append(announcement);
    await announced.close();
    const manifest = this.#manifest(announced.count, finishedAtMs);
    await this.#expectFiles(manifest);
    const path = join(this.directory, manifestFile);
    try {
      await writeFile(path, JSON.stringify(manifest, null, 2) + '\n');
    } catch (error) {
      throw new EngineError('recording', `cannot write ${path}: ${String(error)}`, { cause: error });
    }
    return manifest;
  }

  /** What is removed under an open file still takes writes: only a look at the directory shows it. */
  async #expectFiles({ topics, tasks }: RecordingManifest): Promise<void> {
    const files = [
      ...topics.map(({ file }) => file),
      ...tasks.flatMap((t) => [t.journal.file, t.state.file]),
    ];
    for (const file of files) {
      const path = join(this.directory, file);
      await stat(path).catch((error: unknown) => {
        throw new EngineError('recording', `${path} was removed while it was written`, { cause: error });
      });
    }
  }

  #manifest(schemaCount: number, finishedAtMs: number): RecordingManifest {
    const topics: RecordedTopic[] = [...this.#topics.values()].map(({ topic, partition, file }) => ({
      topic,
      partition,
      file: `topics/${topic}/${partition}.avro`,
      records: file.count,
    }));
    const tasks: RecordedTask[] = [...this.#tasks.values()].map(
      ({ processor, partition, inputs, journal, state }) => ({
        processor,
        partition,
        inputs,
        journal: { file: `tasks/${processor}/${partition}.journal.avro`, records: journal.count },
        state: { file: `tasks/${processor}/${partition}.state.avro`, records: state.count },
      }),
    );
    return {
      format: 1,
      app: this.#app,
      finishedAt: new Date(finishedAtMs).toISOString(),
      parameters: this.#parameters,
      topics,
      tasks,
      schemas: { file: 'schemas.avro', records: schemaCount },
    };
  }

  #attempt(write: () => void): void {
    if (this.#error !== undefined) return;
    try {
      write();
    } catch (error) {
      this.#error = error;
    }
  }
}
