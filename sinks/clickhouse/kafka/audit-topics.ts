/** Audits every partition of the topics of an app against its tables, as of the positions of the sink's group now. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { createCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { requireTables } from '../missing-tables.ts';
import type { Table } from '../tables.ts';
import { type AuditSources, auditTopic, isClean, type TopicAudit } from './audit-topic.ts';
import { groupPositions } from './group-positions.ts';
import { sinkGroup } from './names.ts';

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

/** A dead letter is on its topic when the position moves past its record, and in its table a little later. */
const letterPauseMs = 3_000;
/** A group's coordinator may be moving, or have just begun to exist. */
const positionsMs = 10_000;
const reads = { maxWaitMs: 100, maxBufferedBytes: 4 << 20 };

/**
 * By table, then by partition. What seems to be off is looked at twice.
 *
 * @throws EngineError as KafkaReader; SinkError `intent-invalid`, `table-mismatch` for tables that are missing; RangeError without the table of dead letters
 */
export async function auditTopics(config: AuditConfig): Promise<readonly TopicAudit[]> {
  const { connection, client, app, tables, onPartition, signal } = config;
  const deadLetterTable = tables.find(({ stream }) => stream.topic === deadLetters.topic);
  if (deadLetterTable === undefined) throw new RangeError('an audit needs the table of dead letters');
  await requireTables(client, tables);
  const kafka = kafkajsConfig(connection);
  const cluster = createCluster(kafka);
  const reader = await KafkaReader.connect({ kafka, ...reads });
  try {
    await cluster.connect().catch((error: unknown) => {
      throw kafkaFailure('the cluster cannot be connected to', error);
    });
    const places = tables.flatMap((table) =>
      Array.from({ length: table.stream.partitions }, (_, partition) => ({ table, partition })),
    );
    const asked = places.map(({ table, partition }) => ({ topic: table.stream.topic, partition }));
    const positionsOf = (partitions: typeof asked): ReturnType<typeof groupPositions> =>
      patiently(() => groupPositions(cluster, sinkGroup(app), partitions), {
        timeoutMs: positionsMs,
        signal: signal ?? new AbortController().signal,
      });
    const positions = await positionsOf(asked);
    const positionNow: AuditSources['positionNow'] = async (topic, partition) =>
      (await positionsOf([{ topic, partition }])).get(`${topic}/${partition}`);
    const audits: TopicAudit[] = [];
    for (const { table, partition } of places) {
      signal?.throwIfAborted();
      const { topic } = table.stream;
      onPartition?.(topic, partition);
      const audit = (): Promise<TopicAudit> =>
        auditTopic(
          { reader, client, deadLetterTable, positionNow },
          table,
          partition,
          positions.get(`${topic}/${partition}`),
        );
      let found = await audit();
      if (!isClean(found)) {
        await sleep(letterPauseMs, undefined, signal === undefined ? {} : { signal });
        found = await audit();
      }
      audits.push(found);
    }
    return audits;
  } finally {
    await reader.close();
    await cluster.disconnect();
  }
}
