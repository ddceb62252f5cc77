/**
 * A table without the rows of records that the group has taken, found before it is made: to go on would leave a hole in silence.
 *
 * I1  No false alarm by another sink that starts at the same time: it makes tables before it commits a position. So positions are
 *     asked before the tables are.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { createCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import type { Committed } from '#engine/log/log.ts';
import { SinkError } from '../error.ts';
import { classify, describeFailure } from '../insert-error.ts';
import { findMissingTables } from '../missing-tables.ts';
import type { Table } from '../tables.ts';
import { groupCommand } from './group-command.ts';
import { positionsOfTables } from './group-positions.ts';
import { sinkGroup } from './names.ts';

export interface LostTablesConfig {
  readonly connection: KafkaConnection;
  /** Without a database of its own: it may be missing. */
  readonly client: ClickHouseClient;
  /** Names the group, as for `startKafkaSink`. */
  readonly app: string;
  readonly tables: readonly Table[];
  /** Names of tables that may be made anew and empty; `all`: every one. */
  readonly accepted: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * To be called before tables are made (prepare-tables.ts). Resolves when no table is missing of whose topic the group has taken
 * records. A table that is there is never refused, though it be empty: its rows may have expired.
 *
 * @throws SinkError `table-lost`; EngineError `kafka-unreachable`, `kafka-refused`; as ClickHouse answers
 */
export async function refuseLostTables(config: LostTablesConfig): Promise<void> {
  const { connection, client, app, tables, accepted, signal } = config;
  const group = sinkGroup(app);
  const cluster = createCluster(kafkajsConfig(connection));
  let positions: ReadonlyMap<string, Committed>;
  try {
    await cluster.connect().catch((error: unknown) => {
      throw kafkaFailure('the cluster cannot be connected to', error);
    });
    positions = await positionsOfTables(cluster, group, tables, signal);
  } finally {
    await cluster.disconnect();
  }
  const { missing } = await findMissingTables(client, tables).catch((error: unknown) => {
    throw describeFailure(error, classify(error), 'tables');
  });
  const lost = missing
    .map((table) => ({ table, taken: takenOf(table, positions) }))
    .filter(({ table, taken }) => taken > 0 && !accepted.includes(table.name) && !accepted.includes('all'));
  if (lost.length > 0) throw tablesLost(lost, connection, group);
}

/** Offsets of the topic before the group's positions. */
function takenOf(
  { stream: { topic, partitions } }: Table,
  positions: ReadonlyMap<string, Committed>,
): number {
  let taken = 0;
  for (let partition = 0; partition < partitions; partition += 1)
    taken += positions.get(`${topic}/${partition}`)?.offset ?? 0;
  return taken;
}

function tablesLost(
  lost: readonly { readonly table: Table; readonly taken: number }[],
  connection: KafkaConnection,
  group: string,
): SinkError {
  const names = lost.map(({ table }) => table.name).join(',');
  const topics = lost.map(({ table }) => `--topic ${table.stream.topic}`).join(' ');
  return new SinkError(
    'table-lost',
    [
      `tables are not in ClickHouse, but group ${group} has taken records of their topics: made anew they would lack these`,
      ...lost.map(
        ({ table: { database, name, stream }, taken }) =>
          `table ${database}.${name}, topic ${stream.topic}: ${taken} offsets were taken`,
      ),
      'If this is not the database that is meant, name it: --url, --database. Else, with every weir up stopped, one of:',
      'bring the rows back: restore the tables, then start again (docs/operating.md)',
      'take again what Kafka still has: forget the positions, then start again: ' +
        groupCommand(connection, group, `${topics} --delete-offsets`),
      `go on without these rows: weir up --accept-empty-tables ${names}`,
    ].join('\n'),
  );
}
