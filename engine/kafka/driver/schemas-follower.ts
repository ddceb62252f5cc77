/** Reads `weir.schemas` from its start, and goes on reading it: every schema that events were written with. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventCodec } from '../../codec/event-codec.ts';
import type { WriterSchemas } from '../../codec/writer-schemas.ts';
import { EngineError } from '../../engine-error.ts';
import { schemas } from '../../records/generated.ts';
import type { KafkaReader } from '../reader/kafka-reader.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';
import { asEngineError } from './task-run.ts';

const batch = 1_000;
const restartPauseMs = 1_000;
const idlePauseMs = 5;

export class SchemasFollower {
  readonly #reader: KafkaReader;
  readonly #partition: PartitionReader;
  readonly #stopping = new AbortController();
  readonly #following: Promise<void>;

  private constructor(
    reader: KafkaReader,
    partition: PartitionReader,
    writers: WriterSchemas,
    onNews: () => void,
    onTrouble: (error: EngineError) => void,
  ) {
    this.#reader = reader;
    this.#partition = partition;
    this.#following = this.#follow(writers, onNews, onTrouble);
  }

  /**
   * Resolves when all that is announced now is known. `onNews` is called after something was added later, `onTrouble` with
   * announcements that cannot be read, which are left out, and with what cannot be read for now.
   *
   * @throws EngineError as KafkaReader
   */
  static async start(
    reader: KafkaReader,
    writers: WriterSchemas,
    onNews: () => void,
    onTrouble: (error: EngineError) => void,
  ): Promise<SchemasFollower> {
    const end = await reader.offsetOf(schemas.topic, 0, 'end');
    const start = await reader.offsetOf(schemas.topic, 0, 'start');
    const partition = await reader.assign(schemas.topic, 0, start);
    const { signal } = new AbortController();
    try {
      while (partition.position < end) {
        await partition.settled(signal);
        // A leader that was just elected may not know yet how far its predecessor had come.
        if (partition.available === 0 && partition.isAtEnd) await sleep(idlePauseMs);
        add(partition, writers, onTrouble);
      }
    } catch (error) {
      reader.unassign(partition);
      throw error;
    }
    return new SchemasFollower(reader, partition, writers, onNews, onTrouble);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    this.#reader.unassign(this.#partition);
  }

  async #follow(
    writers: WriterSchemas,
    onNews: () => void,
    onTrouble: (error: EngineError) => void,
  ): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#partition.waitForData(signal);
      if (signal.aborted) return;
      try {
        add(this.#partition, writers, onTrouble);
        onNews();
      } catch (error) {
        onTrouble(asEngineError(error));
        await this.#beginAgain();
      }
    }
  }

  /** What could not be read may be gone (the topic was made anew): everything is read again, which changes nothing known. */
  async #beginAgain(): Promise<void> {
    const { signal } = this.#stopping;
    await sleep(restartPauseMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const start = await this.#reader
      .offsetOf(schemas.topic, 0, 'start')
      .catch(() => this.#partition.position);
    this.#partition.seek(start);
  }
}

function add(
  partition: PartitionReader,
  writers: WriterSchemas,
  onTrouble: (error: EngineError) => void,
): void {
  const codec = eventCodec(schemas, writers);
  for (const { offset, value } of partition.take(batch)) {
    if (value === null) continue;
    try {
      writers.addAnnouncement(codec.decode(value));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      onTrouble(new EngineError('state-schema', `${schemas.topic}/0/${offset}: ${why}`, { cause }));
    }
  }
}
