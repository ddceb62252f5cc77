/**
 * Records an embedded run: every topic through a group of its own, and every task's journal as it commits.
 *
 * I1  A record is freed from the log only after the recorder has it, so the recording is whole.
 * I2  A recording that fails stops recording and says so in `finish`; the run goes on.
 */
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { RecordingWriter } from '../replay/recording-writer.ts';
import type { RecordingManifest } from '../replay/recording.ts';
import type { TaskCore } from '../task/task-core.ts';
import type { Commit } from '../task/task-io.ts';
import { inputTopics, taskCount, type App } from '../topology/app.ts';
import type { Parameters } from '../topology/processor.ts';

const group = 'weir.recorder';
const readRecords = 1_000;

export class LogRecorder {
  readonly #log: MemoryLog;
  readonly #writer: RecordingWriter;
  readonly #topics: readonly string[];

  private constructor(log: MemoryLog, writer: RecordingWriter, topics: readonly string[]) {
    this.#log = log;
    this.#writer = writer;
    this.#topics = topics;
  }

  /** Begins a recording in a new directory, before the first task steps. */
  static async start(
    directory: string,
    log: MemoryLog,
    app: App,
    parameters: Readonly<Record<string, Parameters>>,
  ): Promise<LogRecorder> {
    const writer = await RecordingWriter.create(directory, app.name, parameters);
    const topics = app.streams.map((stream) => stream.topic);
    for (const stream of app.streams) {
      await writer.addTopic(stream.topic, stream.partitions);
      log.subscribe(group, stream.topic);
    }
    for (const processor of app.processors) {
      for (let partition = 0; partition < taskCount(processor); partition += 1) {
        await writer.addTask({ processor: processor.name, partition, inputs: inputTopics(processor) }, []);
      }
    }
    return new LogRecorder(log, writer, topics);
  }

  /** To be called with every commit of every task. */
  onCommit(core: TaskCore, commit: Commit): void {
    if (commit.journal !== null) this.#writer.journal(core.processor.name, core.partition, commit.journal);
  }

  /** Takes over what is new in the log as far as the disk keeps up; to be called every now and then. */
  poll(): void {
    this.#takeOver((topic, partition) => this.#writer.isSaturated(topic, partition));
  }

  #takeOver(isEnough: (topic: string, partition: number) => boolean): void {
    for (const topic of this.#topics) {
      for (let partition = 0; partition < this.#log.partitionCount(topic); partition += 1) {
        let offset = this.#log.committed(group, topic, partition)?.offset ?? 0;
        while (!isEnough(topic, partition)) {
          const records = this.#log.read(topic, partition, offset, readRecords);
          if (records.length === 0) break;
          this.#writer.records(topic, partition, records);
          offset = records[records.length - 1]!.offset + 1;
          this.#log.commit(group, topic, partition, offset);
        }
      }
    }
  }

  /** Takes over the rest and closes the recording, after the last commit. Rejects if anything could not be written. */
  finish(writers: WriterSchemas, finishedAtMs: number): Promise<RecordingManifest> {
    this.#takeOver(() => false);
    return this.#writer.finish(writers, finishedAtMs);
  }
}
