/**
 * Which topic of a name this is: one that was deleted and made anew has another id (KIP-516), so what was kept of the former
 * one says nothing about it.
 *
 * Neither client tells it, so this is a Metadata request of our own, version 10, over kafkajs's connections
 * (https://kafka.apache.org/protocol#The_Messages_Metadata). Of its answer no more is read than the id.
 *
 * I1  The partition's leader is asked: other brokers may still know the former topic for a moment.
 */
import { createRequire } from 'node:module';
import { kafkaFailure } from './connection-failure.ts';
import { ByteCursor } from './reader/byte-cursor.ts';
import type { KafkaBroker, KafkaCluster } from './reader/kafkajs-cluster.ts';

/** Part of kafkajs's `Encoder`. */
interface KafkajsEncoder {
  writeBufferInternal(bytes: Buffer): void;
}

const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder') as new () => KafkajsEncoder;

const apiKey = 3;
const apiVersion = 10;
const uuidBytes = 16;

/**
 * The topic's id as Kafka's tools print it; undefined where the cluster gives none (before Apache Kafka 2.8).
 *
 * @throws EngineError `kafka-unreachable` (retryable: also while the partition has no leader) or `kafka-refused`
 */
export async function topicIdOf(
  cluster: KafkaCluster,
  topic: string,
  partition: number,
): Promise<string | undefined> {
  try {
    await cluster.addMultipleTargetTopics([topic]);
    const partitions = cluster.findTopicPartitionMetadata(topic);
    const leader = partitions.find(({ partitionId }) => partitionId === partition)?.leader ?? -1;
    return await askFor(topic, await cluster.findBroker({ nodeId: leader }));
  } catch (cause) {
    // The next try finds who leads by then.
    await cluster.refreshMetadata().catch(() => undefined);
    throw kafkaFailure(`the id of topic ${topic}`, cause);
  }
}

/** What kafkajs keeps of a broker's answer to ApiVersions. */
interface Versioned {
  readonly versions: Readonly<Record<string, { readonly maxVersion: number } | undefined>>;
}

async function askFor(topic: string, broker: KafkaBroker): Promise<string | undefined> {
  const { versions } = broker as unknown as Versioned;
  if ((versions[String(apiKey)]?.maxVersion ?? 0) < apiVersion) return undefined;
  const request = {
    apiKey,
    apiVersion,
    apiName: 'Metadata',
    encode: () => {
      const encoder = new Encoder();
      encoder.writeBufferInternal(encodeRequest(topic));
      return Promise.resolve(encoder);
    },
  };
  const payload = await broker.connectionPool.send({
    request,
    response: {
      decode: (bytes: Buffer) => Promise.resolve({ bytes }),
      parse: ({ bytes }: { readonly bytes: Buffer }) => Promise.resolve(bytes),
    },
    logResponseError: false,
  });
  return decodeTopicId(payload as Buffer);
}

/**
 * One topic, by its name; nothing is created, nothing said of permissions. From version 9 on every structure ends with its
 * tagged fields, here none; so does the header, which kafkajs writes without.
 */
function encodeRequest(topic: string): Buffer {
  const noTags = 0;
  const no = 0;
  const oneTopic = 2;
  const name = Buffer.from(topic);
  // Names have up to 249 characters, so two bytes do for any.
  const length = [((name.length + 1) & 0x7f) | 0x80, (name.length + 1) >> 7];
  return Buffer.concat([
    Buffer.from([noTags, oneTopic]),
    Buffer.alloc(uuidBytes),
    Buffer.from(length),
    name,
    Buffer.from([noTags, no, no, no, noTags]),
  ]);
}

/** @throws RangeError when the bytes end too early; Error with Kafka's `code` when the topic has an error */
function decodeTopicId(payload: Buffer): string | undefined {
  const cursor = new ByteCursor(payload);
  skipTags(cursor); // of the header
  cursor.int32(); // throttleTimeMs
  for (let brokers = unsigned(cursor) - 1; brokers > 0; brokers -= 1) {
    cursor.int32(); // nodeId
    skipString(cursor); // host
    cursor.int32(); // port
    skipString(cursor); // rack
    skipTags(cursor);
  }
  skipString(cursor); // clusterId
  cursor.int32(); // controllerId
  unsigned(cursor); // topics: the one that was asked for
  const code = cursor.int16();
  if (code !== 0) throw Object.assign(new Error(`the broker answers with error code ${code}`), { code });
  skipString(cursor); // name
  const id = cursor.take(uuidBytes);
  return id.every((byte) => byte === 0) ? undefined : id.toString('base64url');
}

/** Lengths are one more than they say; 0 is null. */
function skipString(cursor: ByteCursor): void {
  cursor.skip(Math.max(0, unsigned(cursor) - 1));
}

function skipTags(cursor: ByteCursor): void {
  for (let tags = unsigned(cursor); tags > 0; tags -= 1) {
    unsigned(cursor);
    cursor.skip(unsigned(cursor));
  }
}

/** An unsigned varint of up to 4 bytes: lengths and counts. */
function unsigned(cursor: ByteCursor): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = cursor.int8();
    value |= (byte & 0x7f) << shift;
    if (byte >= 0) return value;
  }
  throw new RangeError('an unsigned varint of more than 4 bytes');
}
