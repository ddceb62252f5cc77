/**
 * The in-memory log as agents, simulators and clients see it.
 *
 * I1  `publish` resolves when the event is in the log; while the log has no room it waits.
 * I2  A subscription reads with a group of its own, partition by partition, one event at a time.
 */
import { randomUUID } from 'node:crypto';
import { eventCodec, type EventCodec } from '../codec/event-codec.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import type { PublishOptions, Publisher, Subscriber, Subscription } from '../log/publisher.ts';
import { cloudEventHeaders } from '../task/cloud-events.ts';
import { eventTimeMsOf, keyOf, type Stream } from '../topology/stream.ts';

export class EmbeddedEdge implements Publisher, Subscriber {
  readonly #log: MemoryLog;
  readonly #writers: WriterSchemas;
  readonly #codecs = new Map<Stream<unknown>, EventCodec<unknown>>();
  readonly #source = `/weir/embedded/${randomUUID()}`;
  readonly #onUndecodable: (place: string, error: unknown) => void;
  #published = 0;
  #subscriptions = 0;

  /** `onUndecodable` hears of records that a subscriber cannot read; the tasks and sinks report them as dead letters. */
  constructor(
    log: MemoryLog,
    writers: WriterSchemas,
    onUndecodable: (place: string, error: unknown) => void,
  ) {
    this.#log = log;
    this.#writers = writers;
    this.#onUndecodable = onUndecodable;
  }

  /** Events accepted so far. */
  get published(): number {
    return this.#published;
  }

  async publish<T>(stream: Stream<T>, event: T, options: PublishOptions = {}): Promise<void> {
    const value = this.#codecOf(stream).encode(event);
    const timestampMs = eventTimeMsOf(stream, event as object);
    const source = options.source ?? this.#source;
    const id = options.id ?? String(this.#published);
    this.#published += 1;
    await this.#log.write([
      {
        topic: stream.topic,
        key: Buffer.from(keyOf(stream, event as object)),
        value,
        timestampMs,
        headers: cloudEventHeaders(id, source, stream.name, timestampMs),
      },
    ]);
  }

  subscribe<T>(stream: Stream<T>, onEvent: (event: T) => Promise<void> | void): Promise<Subscription> {
    this.#subscriptions += 1;
    const group = `weir.subscriber-${this.#subscriptions}`;
    this.#log.subscribe(group, stream.topic);
    const abort = new AbortController();
    const lanes = Array.from({ length: stream.partitions }, (_, partition) =>
      this.#read(group, stream, partition, onEvent, abort.signal),
    );
    const done = Promise.all(lanes);
    return Promise.resolve({
      stop: async () => {
        abort.abort();
        await done;
        this.#log.unsubscribe(group, stream.topic);
      },
    });
  }

  async #read<T>(
    group: string,
    stream: Stream<T>,
    partition: number,
    onEvent: (event: T) => Promise<void> | void,
    signal: AbortSignal,
  ): Promise<void> {
    const codec = this.#codecOf(stream);
    let offset = this.#log.committed(group, stream.topic, partition)?.offset ?? 0;
    const stopped = (): boolean => signal.aborted || this.#log.isClosed;
    while (!stopped()) {
      await this.#log.waitForData(stream.topic, partition, offset, signal);
      for (const record of this.#log.read(stream.topic, partition, offset, 100)) {
        if (stopped()) return;
        offset = record.offset + 1;
        let event: T | undefined;
        try {
          event = record.value === null ? undefined : codec.decode(record.value);
        } catch (error) {
          this.#onUndecodable(`${stream.topic}/${partition}/${record.offset}`, error);
        }
        if (event !== undefined) await onEvent(event);
        this.#log.commit(group, stream.topic, partition, offset);
      }
    }
  }

  #codecOf<T>(stream: Stream<T>): EventCodec<T> {
    let codec = this.#codecs.get(stream);
    if (codec === undefined) {
      codec = eventCodec(stream, this.#writers);
      this.#codecs.set(stream, codec);
    }
    return codec as EventCodec<T>;
  }
}
