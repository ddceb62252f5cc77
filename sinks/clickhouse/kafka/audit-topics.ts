/** Audits every partition of the topics of an app against its tables, as of the positions of the sink's group now. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { EngineError } from '#engine/engine-error.ts';
import { answered } from '#engine/kafka/answered.ts';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { createCluster, type KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { SinkError } from '../error.ts';
import { classify, describeFailure } from '../insert-error.ts';
import { describeMissing, findMissingTables } from '../missing-tables.ts';
import type { Table } from '../tables.ts';
import { answerMs, type AuditSources, auditTopic, isClean, type TopicAudit } from './audit-topic.ts';
import { remadeTopics } from './bound-topics.ts';
import { positionsOfTables } from './group-positions.ts';
import { sinkGroup } from './names.ts';
import { pendingLetters } from './pending-letters.ts';

export interface AuditConfig {
  readonly connection: KafkaConnection;
  readonly client: ClickHouseClient;
  /** Names the group, as for `startKafkaSink`. */
  readonly app: string;
  /** That of `weir.dead-letters` among them. */
  readonly tables: readonly Table[];
  /** Called before each partition. */
  readonly onPartition?: (topic: string, partition: number) => void;
  readonly signal?: AbortSignal;
}

/** A replica that is asked may have rows a little later than the one that took them. */
const secondLookMs = 3_000;
/** A broker that stands still says no good-bye. */
const closeMs = 1_000;
const reads = { maxWaitMs: 100, maxBufferedBytes: 4 << 20 };

/** A partition that could not be compared. */
export interface Unchecked {
  readonly table: string;
  readonly topic: string;
  readonly partition: number;
  readonly reason: string;
}

/** Each by table, then by partition. */
export interface AuditReport {
  readonly audits: readonly TopicAudit[];
  readonly unchecked: readonly Unchecked[];
  /** Without their table records that became dead letters count as missing. */
  readonly areLettersKnown: boolean;
  /** Offsets of dead letters that are not in their table yet and were too many to be read: their records count as missing. */
  readonly unreadLetters: number;
}

/**
 * What seems to be off is looked at twice. A partition that cannot be compared (its table or topic is missing, its position is none of
 * the sink's) does not keep the others from being.
 *
 * @throws EngineError as KafkaReader; SinkError `table-mismatch` where no table is there; RangeError without the table of dead letters
 */
export async function auditTopics(config: AuditConfig): Promise<AuditReport> {
  const { connection, client, app, tables, onPartition, signal = new AbortController().signal } = config;
  const letterTable = tables.find(({ stream }) => stream.topic === deadLetters.topic);
  if (letterTable === undefined) throw new RangeError('an audit needs the table of dead letters');
  const missing = await missingAmong(client, tables);
  const what = `Kafka at ${connection.brokers.join(',')}`;
  const kafka = kafkajsConfig(connection);
  const cluster = createCluster(kafka);
  let reader: KafkaReader | undefined;
  try {
    const ask = (of: readonly Table[]): ReturnType<typeof positionsOfTables> =>
      answered(positionsOfTables(cluster, sinkGroup(app), of, signal), { what, timeoutMs: answerMs, signal });
    const connecting = Promise.all([KafkaReader.connect({ kafka, ...reads }), connect(cluster)]);
    [reader] = await answered(connecting, { what, timeoutMs: answerMs, signal });
    const positions = await ask(tables);
    const { remade, formerLetters } = await answered(
      remadeTopics({ client, cluster, reader, tables, signal }),
      {
        what,
        timeoutMs: answerMs,
        signal,
      },
    );
    const pending = await pendingLetters({ reader, positions, formerLetters, answerMs, signal });
    const sources: AuditSources = {
      reader,
      client,
      signal,
      deadLetterTable: missing.has(letterTable) ? undefined : letterTable,
      pendingLetters: pending.origins,
      formerLetters,
      positionNow: async (table, partition) => (await ask([table])).get(`${table.stream.topic}/${partition}`),
    };
    const places = tables.flatMap((table) =>
      Array.from({ length: table.stream.partitions }, (_, partition) => ({ table, partition })),
    );
    const look = async ({ table, partition }: Place): Promise<Found> => {
      signal.throwIfAborted();
      if (missing.has(table)) return `table ${table.database}.${table.name} is not in ClickHouse`;
      if (remade.has(table)) return 'the topic was made anew since its rows were inserted';
      const { topic } = table.stream;
      onPartition?.(topic, partition);
      return auditOrReason(sources, table, partition, positions.get(`${topic}/${partition}`));
    };
    const found = await lookTwice(places, look, signal);
    const { audits, unchecked } = reportOf(places, found);
    const strays = await answered(strayPartitions(reader, tables), { what, timeoutMs: answerMs, signal });
    return {
      audits,
      unchecked: [...unchecked, ...strays],
      areLettersKnown: !missing.has(letterTable),
      unreadLetters: pending.unread,
    };
  } finally {
    await Promise.race([Promise.allSettled([reader?.close(), cluster.disconnect()]), sleep(closeMs)]);
  }
}

async function connect(cluster: KafkaCluster): Promise<void> {
  await cluster.connect().catch((error: unknown) => {
    throw kafkaFailure('the cluster cannot be connected to', error);
  });
}

/** Partitions that a topic has beyond those of its schema: they are not compared. */
async function strayPartitions(reader: KafkaReader, tables: readonly Table[]): Promise<readonly Unchecked[]> {
  const strays: Unchecked[] = [];
  for (const { name, stream } of tables) {
    const { topic, partitions } = stream;
    // That a topic is missing is said of each of its partitions.
    const count = await reader.partitionCount(topic).catch((error: unknown) => {
      if (error instanceof EngineError && error.code === 'unknown-topic') return partitions;
      throw error;
    });
    const reason = `Kafka has ${count} partitions of it, its schema says ${partitions}: weir up does not start on it`;
    for (let partition = partitions; partition < count; partition += 1)
      strays.push({ table: name, topic, partition, reason });
  }
  return strays;
}

/** @throws SinkError `table-mismatch` where they are all missing: then there is nothing to compare with */
async function missingAmong(client: ClickHouseClient, tables: readonly Table[]): Promise<ReadonlySet<Table>> {
  const found = await findMissingTables(client, tables);
  if (found.missing.length === tables.length) throw new SinkError('table-mismatch', describeMissing(found));
  return new Set(found.missing);
}

interface Place {
  readonly table: Table;
  readonly partition: number;
}

type Found = TopicAudit | string;

const seemsOff = (found: Found): boolean => typeof found !== 'string' && !isClean(found);

async function lookTwice(
  places: readonly Place[],
  look: (place: Place) => Promise<Found>,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const place of places) found.push(await look(place));
  if (!found.some(seemsOff)) return found;
  await sleep(secondLookMs, undefined, { signal });
  for (const [i, place] of places.entries()) if (seemsOff(found[i]!)) found[i] = await look(place);
  return found;
}

function reportOf(
  places: readonly Place[],
  found: readonly Found[],
): Pick<AuditReport, 'audits' | 'unchecked'> {
  return {
    audits: found.filter((one) => typeof one !== 'string'),
    unchecked: places.flatMap(({ table, partition }, i) => {
      const reason = found[i]!;
      if (typeof reason !== 'string') return [];
      return [{ table: table.name, topic: table.stream.topic, partition, reason }];
    }),
  };
}

/** What was found, or why nothing can be. */
async function auditOrReason(...of: Parameters<typeof auditTopic>): Promise<Found> {
  try {
    return await auditTopic(...of);
  } catch (error) {
    const isOfPartition =
      (error instanceof EngineError && error.code === 'unknown-topic') ||
      (error instanceof SinkError && error.code === 'intent-invalid');
    if (isOfPartition) return error.message;
    // A table that another made, or changed: the others can be compared all the same.
    if (error instanceof ClickHouseError && classify(error) === 'permanent')
      return describeFailure(error, 'permanent', `table ${of[1].database}.${of[1].name}`).message;
    throw error;
  }
}
