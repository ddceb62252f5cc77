/**
 * Load for a fault test: items with unique ids, written at a steady rate while faults happen.
 *
 *     const load = await ItemLoad.start({ kafka, folding, perSecond: 500 });
 *     ...                                   // faults
 *     const acknowledged = await load.stop();   // no more; resolves when every item is acknowledged
 *
 * librdkafka's idempotent producer, acks=all: what it repeats after a fault is in the log once. `stop` rejects when an item was
 * given up, so every id counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import RdKafka from 'node-rdkafka';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import type { Folding, Item } from '../integration/folding.fixture.ts';

export interface ItemLoadConfig {
  readonly kafka: Pick<LocalKafka, 'bootstrapServers'>;
  readonly folding: Pick<Folding, 'items' | 'others'>;
  /** Items in a second, two thirds of them to `items`, the others to `others`. 500 by default. */
  readonly perSecond?: number;
  /** Number of keys. 50 by default. */
  readonly things?: number;
  /** How far the event times of `others` are behind those of `items`. 0 by default. */
  readonly othersLagMs?: number;
  /** Number in the first item's id; 0 by default. */
  readonly firstId?: number;
}

const turnMs = 20;
const connectMs = 60_000;
/** Faults of brokers last up to a minute. */
const deliveryMs = 180_000;
/** Longer than any broker stands still. */
const stallMs = 90_000;
/** Far more than reports take that librdkafka has made. */
const reportsMs = 60_000;
/** Longer than any turn takes. */
const stalledMs = 1_000;

export class ItemLoad {
  readonly #producer: RdKafka.Producer;
  readonly #config: Required<ItemLoadConfig>;
  readonly #encode: (item: Item) => Buffer;
  readonly #acknowledged = new Set<string>();
  readonly #given: string[] = [];
  /** What librdkafka told last. */
  readonly #heard: string[] = [];
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #stalls: number[] = [];
  #turnMs = performance.now();
  #sent = 0;

  private constructor(producer: RdKafka.Producer, config: Required<ItemLoadConfig>) {
    this.#producer = producer;
    this.#config = config;
    const codec = eventCodec(config.folding.items, new WriterSchemas());
    this.#encode = (item) => codec.encode(item);
    producer.setPollInterval(turnMs);
    producer.on('delivery-report', (error, { opaque }) => {
      // Its types say that there is always an error.
      if ((error as unknown) === null || (error as unknown) === undefined)
        this.#acknowledged.add(opaque as string);
      else this.#given.push(`${String(opaque)}: ${error.message}`);
    });
    producer.on('event.error', ({ message }) => {
      this.#heard.push(message);
      if (this.#heard.length > 10) this.#heard.shift();
    });
    this.#timer = setInterval(() => {
      this.#send();
    }, turnMs);
  }

  static async start(config: ItemLoadConfig): Promise<ItemLoad> {
    const producer = new RdKafka.Producer(
      {
        'bootstrap.servers': config.kafka.bootstrapServers,
        'enable.idempotence': true,
        'linger.ms': 5,
        // A connection that is given up delays some partitions by seconds, whose items would be late for a reason of the load's.
        'socket.timeout.ms': stallMs,
        dr_cb: true,
        log_level: 0,
      },
      { 'message.timeout.ms': deliveryMs },
    );
    await new Promise<void>((resolve, reject) => {
      producer.connect({ timeout: connectMs }, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
    return new ItemLoad(producer, { perSecond: 500, things: 50, othersLagMs: 0, firstId: 0, ...config });
  }

  /** Items given to the producer so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Ids of the items that the brokers have. */
  get acknowledged(): ReadonlySet<string> {
    return this.#acknowledged;
  }

  /** When it went on after it had stood still for more than a second, for nobody let it run: wall times. */
  get stalls(): readonly number[] {
    return this.#stalls;
  }

  /** Ends it when all that was sent is acknowledged. @throws Error naming items that were given up */
  async stop(): Promise<ReadonlySet<string>> {
    clearInterval(this.#timer);
    await new Promise<void>((resolve, reject) => {
      this.#producer.flush(deliveryMs, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
    // Flushed is not reported: reports reach this thread later, and none does once the producer is disconnected.
    const reportedBy = performance.now() + reportsMs;
    while (this.#acknowledged.size + this.#given.length < this.#sent && performance.now() < reportedBy)
      await sleep(turnMs);
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(1_000, () => {
        resolve();
      });
    });
    if (this.#acknowledged.size !== this.#sent)
      throw new Error(
        `${this.#sent} items were sent, ${this.#acknowledged.size} acknowledged; given up: ${this.#given.slice(0, 5).join('; ')}; ` +
          `librdkafka told last: ${this.#heard.join('; ')}`,
      );
    return this.#acknowledged;
  }

  #send(): void {
    const { perSecond, things, folding, othersLagMs, firstId } = this.#config;
    const nowMs = performance.now();
    if (nowMs - this.#turnMs > stalledMs) this.#stalls.push(Date.now());
    this.#turnMs = nowMs;
    const due = Math.floor(((nowMs - this.#startedMs) * perSecond) / 1_000);
    for (; this.#sent < due; this.#sent += 1) {
      const thing = `thing-${(this.#sent * 7) % things}`;
      const isOther = this.#sent % 3 === 2;
      const at = Date.now() - (isOther ? othersLagMs : 0);
      this.#produce(isOther ? folding.others : folding.items, {
        id: `item-${firstId + this.#sent}`,
        thing,
        at,
      });
    }
  }

  #produce({ topic, partitions }: Stream<Item>, item: Item): void {
    const key = Buffer.from(item.thing);
    const partition = partitionOf(key, partitions);
    this.#producer.produce(topic, partition, this.#encode(item), key, item.at, item.id);
  }
}
