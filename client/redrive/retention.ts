/**
 * Whether a topic would keep a record with the time that it has. Brokers delete by the records' times, not by when they were
 * written: one that is older than the topic's retention may be gone again before anybody has read it, and its mark says for
 * ever that it was redriven.
 */
import kafkajs, { type Admin, Kafka } from 'kafkajs';
import { EngineError } from '#engine/engine-error.ts';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { type KafkaConnection, kafkajsConfig } from '#engine/kafka/connection.ts';
import { patiently } from '#engine/kafka/patiently.ts';

/** What of a topic's settings decides: https://kafka.apache.org/documentation/#topicconfigs */
export type RetentionSettings = ReadonlyMap<string, string>;

const names = ['cleanup.policy', 'retention.ms', 'message.timestamp.type'];
/** Readers are to have so long at least, or half of what the topic keeps if that is less. */
const leastReadMs = 3_600_000;
const patienceMs = 20_000;

/** Why a record of `timestampMs` is not to be written at `nowMs`; undefined where it is kept long enough to be read. */
export function tooOld(
  topic: string,
  settings: RetentionSettings,
  timestampMs: number,
  nowMs: number,
): string | undefined {
  const retentionMs = Number(settings.get('retention.ms') ?? -1);
  const isDeleted = (settings.get('cleanup.policy') ?? 'delete').split(',').includes('delete');
  const takesNewTime = settings.get('message.timestamp.type') === 'LogAppendTime';
  if (!isDeleted || takesNewTime || retentionMs < 0) return undefined;
  const leftMs = timestampMs + retentionMs - nowMs;
  if (leftMs >= Math.min(leastReadMs, retentionMs / 2)) return undefined;
  return (
    `its time is ${new Date(timestampMs).toISOString()}, and topic ${topic} keeps records for ${retentionMs} ms (retention.ms): it may be ` +
    'deleted before it is read. Raise retention.ms with kafka-configs, or give it the time of now: --renew-time'
  );
}

/** Why a record is not to be written with its time. */
export interface TimeRefused {
  readonly reason: string;
  /** Whether it is too old for certain: then the time of now mends it. Else its topic's retention may not be read. */
  readonly isTooOld: boolean;
}

/** The time to write a record with, or why it is not to be written: only what is too old for certain may get another. */
export function timeToWrite(
  refused: TimeRefused | undefined,
  timestampMs: number,
  { renewsTime, nowMs }: { readonly renewsTime: boolean; readonly nowMs: number },
): { readonly timestampMs: number } | { readonly refusal: string } {
  if (refused === undefined) return { timestampMs };
  return renewsTime && refused.isTooOld ? { timestampMs: nowMs } : { refusal: refused.reason };
}

/** Asks for the settings of each topic once. `close` it at the end. */
export class Retentions {
  readonly #connection: KafkaConnection;
  readonly #settings = new Map<string, RetentionSettings>();
  #admin: Promise<Admin> | undefined;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
  }

  /** As `tooOld`, or that the settings may not be read. @throws EngineError `kafka-unreachable`; the signal's reason */
  async refusalOf(topic: string, timestampMs: number, signal: AbortSignal): Promise<TimeRefused | undefined> {
    try {
      const settings =
        this.#settings.get(topic) ??
        (await patiently(() => this.#ask(topic), { timeoutMs: patienceMs, signal }));
      this.#settings.set(topic, settings);
      const reason = tooOld(topic, settings, timestampMs, Date.now());
      return reason === undefined ? undefined : { reason, isTooOld: true };
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'kafka-refused')) throw error;
      return { reason: error.message, isTooOld: false };
    }
  }

  async close(): Promise<void> {
    const admin = await this.#admin?.catch(() => undefined);
    this.#admin = undefined;
    await admin?.disconnect();
  }

  async #ask(topic: string): Promise<RetentionSettings> {
    try {
      this.#admin ??= this.#open();
      const admin = await this.#admin;
      const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names };
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
      const entries = resources.flatMap(({ configEntries }) => configEntries);
      return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
    } catch (error) {
      await this.close();
      // Whoever writes there says so.
      if (error instanceof Error && 'type' in error && error.type === 'UNKNOWN_TOPIC_OR_PARTITION')
        return new Map();
      throw kafkaFailure(`the retention of topic ${topic} cannot be read`, error);
    }
  }

  async #open(): Promise<Admin> {
    const retry = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };
    const admin = new Kafka({ ...kafkajsConfig(this.#connection), retry }).admin();
    await admin.connect();
    return admin;
  }
}
