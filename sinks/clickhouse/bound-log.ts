/**
 * Which log a database has its rows from: topics in memory, or a group's on a Kafka cluster. In two logs the same
 * (topic, partition, offset) is two records. Rows of both in one table could not be told apart, neither by an audit nor by a
 * sink that looks whether its promise is kept: so a database is bound to the first log that writes into it, for good.
 *
 * I1  A binding is written down first and the others are looked at afterwards: of two that bind at once, at least one sees
 *     the other, withdraws and is refused.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { catchUp, createBookkeeping } from './bookkeeping.ts';
import type { Cluster, DatabaseTarget } from './cluster.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { qualified, type Table } from './tables.ts';
import { quoteName } from './value-type.ts';

/** The log of runs with topics in memory: they share one (`nextOffsets`). */
export const MEMORY_LOG = 'memory';

/** The log of a consumer group on a cluster: another group starts anew, and so does a cluster that was made anew. */
export const kafkaLog = (clusterId: string, group: string): string =>
  `kafka cluster ${clusterId}, group ${group}`;

/**
 * Binds a database (which must exist) to a log, or sees that it is bound to it. `tables` must have no rows where nothing is
 * bound yet; without them that is not looked at.
 *
 * Rejects with `other-log` when it is bound to another one, and as ClickHouse answers.
 */
export async function bindDatabase(
  client: ClickHouseClient,
  database: string,
  log: string,
  tables: readonly Table[] = [],
  cluster: Cluster | undefined = tables[0]?.cluster,
): Promise<void> {
  const binding = new Binding(client, { database, cluster });
  try {
    await binding.create();
    const bound = await binding.logs();
    refuseOthers(database, log, bound);
    if (bound.includes(log)) return;
    await refuseRows(client, database, log, tables);
    await binding.write(log, 'bound');
    try {
      refuseOthers(database, log, await binding.logs());
    } catch (error) {
      await binding.write(log, 'withdrawn');
      throw error;
    }
  } catch (error) {
    if (error instanceof SinkError) throw error;
    throw describeFailure(error, classify(error), `database ${database}, the log that it is bound to`);
  }
}

function refuseOthers(database: string, log: string, bound: readonly string[]): void {
  const other = bound.find((one) => one !== log);
  if (other === undefined) return;
  throw refusal(database, log, `has rows of another log (${other})`);
}

async function refuseRows(
  client: ClickHouseClient,
  database: string,
  log: string,
  tables: readonly Table[],
): Promise<void> {
  if (tables.length === 0) return;
  const each = tables.map((table) => `SELECT ${quote(table.name)} AS name FROM ${qualified(table)} LIMIT 1`);
  const result = await client.query({
    query: each.map((one) => `(${one})`).join(' UNION ALL '),
    format: 'JSONEachRow',
  });
  const [first] = await result.json<{ name: string }>();
  if (first === undefined) return;
  throw refusal(database, log, `has rows already, in table ${first.name}, of a log that is not known`);
}

function refusal(database: string, log: string, what: string): SinkError {
  return new SinkError(
    'other-log',
    `database ${database} ${what}, and this is ${log}: the same offset is another record there, so rows would be lost or ` +
      'doubled. Use a database of its own for each, or drop that database',
  );
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

type State = 'bound' | 'withdrawn';

class Binding {
  readonly #client: ClickHouseClient;
  readonly #target: DatabaseTarget;
  readonly #table: string;

  constructor(client: ClickHouseClient, target: DatabaseTarget) {
    this.#client = client;
    this.#target = target;
    this.#table = `${quoteName(target.database)}.\`weir_bound_log\``;
  }

  async create(): Promise<void> {
    await createBookkeeping(this.#client, this.#target, 'weir_bound_log', {
      columns: `(log String, state LowCardinality(String), at DateTime64(6, 'UTC'))`,
      rest: `ORDER BY (log, at) COMMENT 'Which log the rows of this database come from'`,
    });
  }

  async write(log: string, state: State): Promise<void> {
    await this.#client.command({
      query: `INSERT INTO ${this.#table} SELECT {log:String}, {state:String}, now64(6)`,
      query_params: { log, state },
      clickhouse_settings: { async_insert: 0 },
    });
  }

  /** The logs that are bound now. */
  async logs(): Promise<readonly string[]> {
    await catchUp(this.#client, this.#target, 'weir_bound_log');
    const result = await this.#client.query({
      query: `SELECT log FROM ${this.#table} GROUP BY log HAVING argMax(state, at) = 'bound' ORDER BY log`,
      format: 'JSONEachRow',
    });
    return (await result.json<{ log: string }>()).map(({ log }) => log);
  }
}
