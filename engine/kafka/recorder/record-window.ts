/**
 * Records a window of a live app from Kafka, whatever processes run its tasks, in the format of engine/replay.
 *
 * I1  It only reads, and joins no group: nothing that runs notices it.
 * I2  Of each task the window has its state at the start (window-start.ts), all chunks of its journal from then on up to a
 *     commit that was visible when the window ended, and every input that these chunks name.
 * I3  Output topics are recorded from before the first chunk's outputs to behind the last's; which of their records belong to
 *     the window is decided at the replay, by what caused them (engine/replay/recorded-window.ts).
 * I4  The parameters in force are those that the tasks themselves wrote beside their journals. When they change during the
 *     window, or differ between tasks of a processor, no replay could be exact: an error says so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriterSchemas } from '../../codec/writer-schemas.ts';
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import { RecordingWriter } from '../../replay/recording-writer.ts';
import type { RecordingManifest } from '../../replay/recording.ts';
import { inputTopics, validApp, type App } from '../../topology/app.ts';
import type { Parameters } from '../../topology/processor.ts';
import type { KafkaConnection } from '../connection.ts';
import { SchemasFollower } from '../driver/schemas-follower.ts';
import { journalTopic } from '../names.ts';
import { JournalCapture } from './journal-capture.ts';
import { PartitionCapture } from './partition-capture.ts';
import { WindowClient } from './window-client.ts';
import { findStart, placeName, type TaskStart, type WindowStart } from './window-start.ts';

export interface WindowProgress {
  readonly phase: 'starting' | 'recording' | 'finishing';
  /** Journal chunks, of all tasks. */
  readonly chunks: number;
  /** Records of topics. */
  readonly records: number;
}

export interface RecordWindowOptions {
  readonly app: App;
  readonly connection: KafkaConnection;
  /** A new or empty one. */
  readonly directory: string;
  /** All writers' schemas are added to it. */
  readonly writers: WriterSchemas;
  /** `beginning`: from empty states on; everything must still be there. */
  readonly from: 'now' | 'beginning';
  /** Aborted when the window is to end. It may be aborted from the start: what is there is recorded. */
  readonly until: AbortSignal;
  /** Called every 100 ms or so. */
  readonly onProgress?: (progress: WindowProgress) => void;
  /** What somebody should know though it mends itself. */
  readonly onTrouble?: (error: EngineError) => void;
  /** How long what belongs to the window may take to become readable after its end. 60 s by default. */
  readonly finishTimeoutMs?: number;
}

const progressMs = 100;
const diskPauseMs = 5;

/**
 * Resolves when the recording is whole.
 *
 * @throws EngineError `recording`, `unknown-topic`, `kafka-unreachable`, `kafka-refused`; the directory then holds no recording
 */
export async function recordWindow(options: RecordWindowOptions): Promise<RecordingManifest> {
  validApp(options.app);
  const onTrouble = options.onTrouble ?? ((): void => undefined);
  const client = await WindowClient.connect(options.connection, onTrouble);
  try {
    options.onProgress?.({ phase: 'starting', chunks: 0, records: 0 });
    const start = await findStart(client, options.app, options.from === 'beginning');
    const window = await WindowRecorder.open(options, client, start);
    await window.record();
    const { writers } = options;
    const follower = await SchemasFollower.start(client.reader, writers, () => undefined, onTrouble);
    await follower.stop();
    return await window.close();
  } finally {
    await client.close();
  }
}

class WindowRecorder {
  readonly #options: RecordWindowOptions;
  readonly #client: WindowClient;
  readonly #start: WindowStart;
  readonly #writer: RecordingWriter;
  readonly #parameters: Record<string, Parameters>;
  readonly #topics = new Map<string, PartitionCapture>();
  readonly #journals: { readonly capture: PartitionCapture; readonly journal: JournalCapture }[] = [];
  readonly #failed = new AbortController();
  #phase: WindowProgress['phase'] = 'recording';
  #records = 0;

  private constructor(
    options: RecordWindowOptions,
    client: WindowClient,
    start: WindowStart,
    writer: RecordingWriter,
    parameters: Record<string, Parameters>,
  ) {
    this.#options = options;
    this.#client = client;
    this.#start = start;
    this.#writer = writer;
    this.#parameters = parameters;
  }

  static async open(
    options: RecordWindowOptions,
    client: WindowClient,
    start: WindowStart,
  ): Promise<WindowRecorder> {
    // Filled in while the journals are read; the manifest, which has it, is written last.
    const parameters: Record<string, Parameters> = {};
    const writer = await RecordingWriter.create(options.directory, options.app.name, parameters);
    const recorder = new WindowRecorder(options, client, start, writer, parameters);
    await recorder.#addTopics();
    for (const task of start.tasks) await recorder.#addTask(task);
    return recorder;
  }

  /** Resolves when the window has ended and all of it is written. */
  async record(): Promise<void> {
    const { until, finishTimeoutMs = 60_000 } = this.#options;
    const journals = this.#journals.map(({ capture }) => capture);
    const topics = [...this.#topics.values()];
    const running = [...journals, ...topics].map((capture) => this.#run(capture));
    const telling = setInterval(() => {
      this.#tell();
    }, progressMs);
    let overdue: NodeJS.Timeout | undefined;
    try {
      await this.#endOrFailure(until);
      this.#phase = 'finishing';
      overdue = setTimeout(() => {
        this.#failed.abort(this.#incomplete(finishTimeoutMs));
      }, finishTimeoutMs);
      for (const [i, { partition, processor }] of this.#start.tasks.entries()) {
        const topic = journalTopic(this.#options.app.name, processor.name);
        journals[i]!.finishAt(await this.#client.offset(topic, partition, 'end'));
      }
      await Promise.all(running.slice(0, journals.length));
      await this.#finishTopics();
      await Promise.all(running);
      this.#tell();
    } catch (error) {
      this.#failed.abort(error);
      await Promise.allSettled(running);
      throw error;
    } finally {
      clearInterval(telling);
      clearTimeout(overdue);
    }
  }

  close(): Promise<RecordingManifest> {
    return this.#writer.finish(this.#options.writers, Date.now());
  }

  /** Outputs up to all that is written now: the chunks that were taken were committed before. Inputs as far as needed. */
  async #finishTopics(): Promise<void> {
    for (const place of this.#start.outputs) {
      const written = await this.#client.offset(place.topic, place.partition, 'written');
      this.#topics.get(placeName(place))!.finishAt(written);
    }
    const outputs = new Set(this.#start.outputs.map(placeName));
    for (const [name, capture] of this.#topics) if (!outputs.has(name)) capture.finishAt(0);
  }

  #run(capture: PartitionCapture): Promise<void> {
    const running = capture.run(this.#failed.signal);
    running.catch((error: unknown) => {
      this.#failed.abort(error);
    });
    return running;
  }

  async #endOrFailure(until: AbortSignal): Promise<void> {
    const either = AbortSignal.any([until, this.#failed.signal]);
    if (!either.aborted)
      await new Promise<void>((resolve) => {
        either.addEventListener(
          'abort',
          () => {
            resolve();
          },
          { once: true },
        );
      });
    this.#failed.signal.throwIfAborted();
  }

  async #addTopics(): Promise<void> {
    const counts = new Map<string, number>();
    const outputs = new Set(this.#start.outputs.map(placeName));
    for (const [name, from] of this.#start.from) {
      const [topic, partition] = [name.slice(0, name.lastIndexOf('/')), Number(name.split('/').pop())];
      counts.set(topic, Math.max(counts.get(topic) ?? 0, partition + 1));
      const reader = await this.#client.assign(topic, partition, from);
      const capture = new PartitionCapture(reader, outputs.has(name) ? Infinity : 0, (records) =>
        this.#write(topic, partition, records),
      );
      this.#topics.set(name, capture);
    }
    for (const [topic, partitions] of counts) await this.#writer.addTopic(topic, partitions);
  }

  async #addTask(task: TaskStart): Promise<void> {
    const { processor, partition, state } = task;
    const topics = inputTopics(processor);
    await this.#writer.addTask({ processor: processor.name, partition, inputs: topics }, state);
    const topic = journalTopic(this.#options.app.name, processor.name);
    const journal = new JournalCapture(task, topic, {
      onChunk: (encoded) => {
        this.#writer.journal(processor.name, partition, encoded);
      },
      onNeed: (input, ofInput, from, end) => {
        this.#need(`${topics[input] ?? ''}/${ofInput}`, from, end, `${processor.name}-${partition}`);
      },
      onParameters: (parameters, place) => {
        this.#noteParameters(processor.name, parameters, place);
      },
    });
    const reader = await this.#client.assign(topic, partition, task.journalFrom);
    const capture = new PartitionCapture(reader, Infinity, (records) => {
      journal.take(records);
      this.#throwIfWriterFailed();
    });
    this.#journals.push({ capture, journal });
  }

  #need(name: string, from: number, end: number, task: string): void {
    const capture = this.#topics.get(name);
    if (capture === undefined)
      throw new EngineError(
        'recording',
        `task ${task} has read ${name}, which is no input of it here: record with the app that runs`,
      );
    if (from < capture.from)
      throw new EngineError(
        'recording',
        `task ${task} has read ${name} from offset ${from} on, but retention has removed what was before ${capture.from}: ` +
          'record sooner, or have the topic keep its records longer (retention.ms)',
      );
    capture.extendTo(end);
  }

  #noteParameters(processor: string, parameters: Parameters, place: string): void {
    const known = (this.#parameters[processor] ??= parameters);
    const [before, now] = [JSON.stringify(known), JSON.stringify(parameters)];
    if (before === now) return;
    throw new EngineError(
      'recording',
      `${processor} runs with other parameters at ${place} (${now}) than before (${before}): record a window in which all of its ` +
        'tasks have the same',
    );
  }

  async #write(topic: string, partition: number, records: readonly LogRecord[]): Promise<void> {
    this.#writer.records(topic, partition, records);
    this.#records += records.length;
    this.#throwIfWriterFailed();
    while (this.#writer.isSaturated(topic, partition)) {
      this.#failed.signal.throwIfAborted();
      await sleep(diskPauseMs);
    }
  }

  #throwIfWriterFailed(): void {
    if (this.#writer.error !== undefined) throw this.#writer.error as Error;
  }

  #incomplete(afterMs: number): EngineError {
    const captures = [...this.#journals.map(({ capture }) => capture), ...this.#topics.values()];
    const left = captures.filter(({ isComplete }) => !isComplete).map(({ name }) => name);
    return new EngineError(
      'recording',
      `after ${afterMs / 1000} s the end of the window is not readable in ${left.join(', ')}: is a broker down, or a transaction ` +
        'open there (kafka-transactions.sh find-hanging)?',
    );
  }

  #tell(): void {
    let chunks = 0;
    for (const { journal } of this.#journals) chunks += journal.chunks;
    this.#options.onProgress?.({ phase: this.#phase, chunks, records: this.#records });
  }
}
