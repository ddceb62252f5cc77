/**
 * Where to write: the leaders of the topics in use, and a connection to each broker.
 *
 * I1  One look at the metadata is under way at a time; who asks meanwhile waits for the next one, which begins after it asked.
 * I2  A topic or partition that is in trouble says nothing about the others.
 * I3  A connection that failed is dropped; the next call connects anew.
 */
import { ClientError } from '../client-error.ts';
import type { BrokerConnection, Connect } from './broker-connection.ts';
import { errorName } from './kafka-answer.ts';
import { type BrokerAddress, metadataCall, type ProtocolCall } from './requests.ts';

/** UNKNOWN_TOPIC_OR_PARTITION. */
const unknownTopic = 3;
/** INVALID_TOPIC_EXCEPTION, TOPIC_AUTHORIZATION_FAILED: another look would say the same. */
const refusedTopic: ReadonlySet<number> = new Set([17, 29]);

export class TopicDirectory {
  readonly #connect: Connect;
  readonly #topics = new Set<string>();
  readonly #leaders = new Map<string, readonly number[]>();
  readonly #errors = new Map<string, number>();
  readonly #addresses = new Map<number, BrokerAddress>();
  readonly #connections = new Map<number, Promise<BrokerConnection>>();
  #seed: Promise<BrokerConnection> | undefined;
  #looking: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #isClosed = false;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Leaders by partition number, -1 where there is none now; undefined for a topic that was not found yet. */
  leadersOf(topic: string): readonly number[] | undefined {
    return this.#leaders.get(topic);
  }

  /** What the newest look said against a topic; 'kafka-unreachable' where it may pass. */
  troubleOf(topic: string): ClientError | undefined {
    const errorCode = this.#errors.get(topic);
    if (errorCode === undefined) return undefined;
    if (errorCode === unknownTopic)
      return new ClientError('unknown-topic', `there is no topic ${topic} in Kafka: create it`);
    const code = refusedTopic.has(errorCode) ? 'refused' : 'kafka-unreachable';
    return new ClientError(code, `topic ${topic}: the brokers answer ${errorName(errorCode)}`);
  }

  /** Why a topic cannot be written, as the newest look said it; undefined when it can, or may soon. */
  refusalOf(topic: string): ClientError | undefined {
    const trouble = this.troubleOf(topic);
    return trouble?.code === 'kafka-unreachable' ? undefined : trouble;
  }

  /** Takes a topic in at the next look. */
  add(topic: string): void {
    this.#topics.add(topic);
  }

  /** Looks at the metadata of all topics. Rejects when no broker answers. */
  refresh(): Promise<void> {
    if (this.#looking === undefined) {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
      });
      return this.#looking;
    }
    this.#next ??= this.#looking
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.refresh();
      });
    return this.#next;
  }

  /** Calls a broker by its number, connecting if need be. `sent` hears when the request may have left. */
  async call<T>(nodeId: number, call: ProtocolCall<T>, sent: () => void): Promise<T> {
    const address = this.#addresses.get(nodeId);
    if (address === undefined) throw new Error(`broker ${nodeId} is not known`);
    const connection = await this.#connectionTo(address);
    sent();
    try {
      return await connection.call(call);
    } catch (error) {
      this.#connections.delete(nodeId);
      connection.destroy();
      throw error;
    }
  }

  /** Calls any broker. */
  async callAny<T>(call: ProtocolCall<T>): Promise<T> {
    for (const nodeId of this.#connections.keys()) {
      try {
        return await this.call(nodeId, call, () => undefined);
      } catch (error) {
        if (error instanceof ClientError) throw error;
        // That broker is gone: the next one, or one of the configuration.
        continue;
      }
    }
    const seed = await (this.#seed ??= this.#opened(this.#connect()));
    try {
      return await seed.call(call);
    } catch (error) {
      this.#seed = undefined;
      seed.destroy();
      throw error;
    }
  }

  /** Ends all connections; nothing may be called after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const open = [...this.#connections.values(), ...(this.#seed === undefined ? [] : [this.#seed])];
    this.#connections.clear();
    this.#seed = undefined;
    for (const outcome of await Promise.allSettled(open))
      if (outcome.status === 'fulfilled') outcome.value.destroy();
  }

  #connectionTo({ nodeId, host, port }: BrokerAddress): Promise<BrokerConnection> {
    let connection = this.#connections.get(nodeId);
    if (connection === undefined) {
      connection = this.#opened(this.#connect({ host, port }));
      this.#connections.set(nodeId, connection);
    }
    connection.catch(() => {
      if (this.#connections.get(nodeId) === connection) this.#connections.delete(nodeId);
    });
    return connection;
  }

  /** Closes what opened too late; forgets a seed that did not open. */
  #opened(opening: Promise<BrokerConnection>): Promise<BrokerConnection> {
    const opened = opening.then((connection) => {
      if (!this.#isClosed) return connection;
      connection.destroy();
      throw new ClientError('closed', 'the client was closed');
    });
    opened.catch(() => {
      if (this.#seed === opened) this.#seed = undefined;
    });
    return opened;
  }

  async #look(): Promise<void> {
    const { brokers, topics } = await this.callAny(metadataCall([...this.#topics]));
    this.#learnBrokers(brokers);
    for (const { topic, errorCode, leaders } of topics) {
      if (errorCode === 0) {
        this.#leaders.set(topic, leaders);
        this.#errors.delete(topic);
      } else {
        this.#errors.set(topic, errorCode);
        // Trouble for the moment leaves the leaders that were known.
        if (this.refusalOf(topic) !== undefined) this.#leaders.delete(topic);
      }
    }
  }

  #learnBrokers(brokers: readonly BrokerAddress[]): void {
    for (const broker of brokers) {
      const before = this.#addresses.get(broker.nodeId);
      if (before !== undefined && (before.host !== broker.host || before.port !== broker.port)) {
        void this.#connections.get(broker.nodeId)?.then(
          (connection) => {
            connection.destroy();
          },
          () => undefined,
        );
        this.#connections.delete(broker.nodeId);
      }
      this.#addresses.set(broker.nodeId, broker);
    }
  }
}
