/**
 * The in-memory log as agents, simulators and clients see it.
 *
 * I1  `publish` resolves when the event is in the log; while the log has no room it waits.
 * I2  A subscription reads with a group of its own; it hears one event of a partition at a time, in order. A handler that
 *     fails is reported, and the next event goes on: an actuator answers for its commands itself.
 * I3  What a subscription's handler publishes never waits: it could wait for the room that the events it has not heard take.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { eventCodec, type EventCodec } from '../codec/event-codec.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import type { PublishOptions, Publisher, Subscriber, Subscription } from '../log/publisher.ts';
import { cloudEventHeaders } from '../task/cloud-events.ts';
import { eventTimeMsOf, keyOf, type Stream } from '../topology/stream.ts';

/** Set while a subscription's handler runs. */
const answering = new AsyncLocalStorage<true>();

export class EmbeddedEdge implements Publisher, Subscriber {
  readonly #log: MemoryLog;
  readonly #writers: WriterSchemas;
  readonly #codecs = new Map<Stream<unknown>, EventCodec<unknown>>();
  /** Makes names of this edge unique: two may share a log, and ids must differ from those of an earlier run. */
  readonly #run = randomUUID();
  readonly #onFailure: (place: string, error: unknown) => void;
  #published = 0;
  #ids = 0;
  #subscriptions = 0;

  /**
   * `onFailure` hears of records that a subscriber cannot read (tasks and sinks report them as dead letters) and of
   * handlers that failed, with `<topic>/<partition>/<offset>`.
   */
  constructor(log: MemoryLog, writers: WriterSchemas, onFailure: (place: string, error: unknown) => void) {
    this.#log = log;
    this.#writers = writers;
    this.#onFailure = onFailure;
  }

  /** Events accepted so far. */
  get published(): number {
    return this.#published;
  }

  async publish<T>(stream: Stream<T>, event: T, options: PublishOptions = {}): Promise<void> {
    const value = this.#codecOf(stream).encode(event);
    const timestampMs = eventTimeMsOf(stream, event as object);
    const source = options.source ?? `/weir/embedded/${this.#run}`;
    const id = options.id ?? `${this.#run}-${this.#ids}`;
    this.#ids += 1;
    const record = {
      topic: stream.topic,
      key: Buffer.from(keyOf(stream, event as object)),
      value,
      timestampMs,
      headers: cloudEventHeaders(id, source, stream.name, timestampMs),
    };
    if (answering.getStore() === true) this.#log.append([record]);
    else await this.#log.write([record]);
    this.#published += 1;
  }

  subscribe<T>(stream: Stream<T>, onEvent: (event: T) => Promise<void> | void): Promise<Subscription> {
    this.#subscriptions += 1;
    const group = `weir.subscriber-${this.#subscriptions}-${this.#run}`;
    this.#log.subscribe(group, stream.topic);
    const abort = new AbortController();
    const lanes = Array.from({ length: this.#log.partitionCount(stream.topic) }, (_, partition) =>
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
        try {
          const { value } = record;
          if (value !== null) await answering.run(true, async () => onEvent(codec.decode(value)));
        } catch (error) {
          this.#onFailure(`${stream.topic}/${partition}/${record.offset}`, error);
        }
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
