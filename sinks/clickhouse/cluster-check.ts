/**
 * Whether a cluster can keep Weir's tables, and whether the tables on it are those of a cluster.
 *
 * I1  What would lose or double rows is refused before anything is inserted: shards that share their rows, replicas that do
 *     not, a replica that forgets tokens, a table of one server where one over all shards is meant, and the reverse.
 * I2  A server that is down hinders no start: those that answer are asked. It is checked at the next start.
 */
import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { LEAST_WINDOW, localName, onAll, type Cluster, type DatabaseTarget } from './cluster.ts';
import { SinkError, reasonOf } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import type { Table } from './tables.ts';
import { quoteText } from './value-type.ts';

interface Server {
  readonly cluster: string;
  readonly shard_num: number;
  readonly host_name: string;
  readonly port: number;
  /** Older servers do not tell. */
  readonly internal_replication?: number;
}

const reachable = { skip_unavailable_shards: 1, output_format_json_quote_64bit_integers: 0 } as const;

async function ask<T>(client: ClickHouseClient, query: string, query_params = {}): Promise<readonly T[]> {
  const result = await client.query({
    query,
    query_params,
    format: 'JSONEachRow',
    clickhouse_settings: reachable,
  });
  return result.json<T>();
}

/**
 * Resolves when the server that is connected to knows the cluster, and all servers of it have the macros.
 *
 * @throws SinkError `cluster-unusable` saying what is missing; as ClickHouse answers
 */
export async function requireCluster(client: ClickHouseClient, cluster: Cluster): Promise<void> {
  await naming(cluster, async () => {
    refuseDefinition(cluster, await ask<Server>(client, 'SELECT * FROM system.clusters'));
    await requireMacros(client, cluster);
  });
}

function refuseDefinition({ name }: Cluster, all: readonly Server[]): void {
  const servers = all.filter(({ cluster }) => cluster === name);
  if (servers.length === 0) {
    const known = [...new Set(all.map(({ cluster }) => cluster))].sort().join(', ');
    throw unusable(
      name,
      known === ''
        ? 'this server knows no cluster (system.clusters). Add it to remote_servers on every server; an embedded ClickHouse ' +
            'has none: clusters need servers of your own'
        : `this server does not know it; it knows ${known} (system.clusters). Name one of these, or add it to remote_servers ` +
            'on every server',
    );
  }
  const alone = servers.find(
    ({ shard_num, internal_replication }) =>
      internal_replication === 0 && servers.filter((one) => one.shard_num === shard_num).length > 1,
  );
  if (alone !== undefined)
    throw unusable(
      name,
      `shard ${alone.shard_num} has internal_replication off: each insert would be made on every replica. Set ` +
        '<internal_replication>true</internal_replication> for it in remote_servers',
    );
}

/** What ClickHouse says where no Keeper is configured: to a replicated table, and to a statement ON CLUSTER. */
const NO_KEEPER = /without ZooKeeper|no (Zookeeper|DistributedDDL) configuration/i;

/** Whether a statement was refused for want of a Keeper: then what to do about it. */
export function noKeeper({ name }: Cluster, error: unknown): SinkError | undefined {
  if (!(error instanceof ClickHouseError) || !NO_KEEPER.test(error.message)) return undefined;
  return unusable(
    name,
    'this server has no Keeper, without which no table is replicated and nothing is done ON CLUSTER. Give every server the ' +
      `addresses of ClickHouse Keeper or ZooKeeper (<zookeeper>) and <distributed_ddl> (it says: ${reasonOf(error).trimEnd()})`,
  );
}

async function requireMacros(client: ClickHouseClient, cluster: Cluster): Promise<void> {
  const rows = await ask<{ server: string; found: readonly string[] }>(
    client,
    `SELECT server, groupArray(macro) AS found FROM
(
    SELECT concat(hostName(), ':', toString(tcpPort())) AS server, macro FROM ${onAll(cluster, 'macros')}
    UNION ALL
    SELECT concat(hostName(), ':', toString(tcpPort())), '' FROM ${onAll(cluster, 'one')}
)
GROUP BY server ORDER BY server`,
  );
  for (const { server, found } of rows) {
    const missing = ['shard', 'replica'].filter((macro) => !found.includes(macro));
    if (missing.length > 0)
      throw unusable(
        cluster.name,
        `${server} has no macro {${missing.join('} and no macro {')}}. Give each server <macros> with <shard> (the same on ` +
          'all replicas of a shard) and <replica> (its own name)',
      );
  }
}

/** The tables of a database that every server of the cluster that answers has; without a cluster, none is said to be there. */
export async function tablesEverywhere(
  client: ClickHouseClient,
  { database, cluster }: DatabaseTarget,
): Promise<ReadonlySet<string>> {
  if (cluster === undefined) return new Set();
  return naming(cluster, async () => {
    const rows = await ask<{ name: string }>(
      client,
      `SELECT name FROM ${onAll(cluster, 'tables')} WHERE database = {database:String}
GROUP BY name HAVING count() = (SELECT count() FROM ${onAll(cluster, 'one')})`,
      { database },
    );
    return new Set(rows.map(({ name }) => name));
  });
}

interface Made {
  readonly database: string;
  readonly name: string;
  readonly engine: string;
  readonly engine_full: string;
}

/** Rejects with `table-mismatch` where a table was made for one server and a cluster is named, or the reverse. */
export async function refuseOtherKind(client: ClickHouseClient, tables: readonly Table[]): Promise<void> {
  const made = await ask<Made>(
    client,
    'SELECT database, name, engine, engine_full FROM system.tables WHERE database IN {databases:Array(String)}',
    { databases: [...new Set(tables.map(({ database }) => database))] },
  );
  for (const { database, name, cluster } of tables) {
    const found = made.find((one) => one.database === database && one.name === name);
    if (found === undefined) continue;
    const place = `table ${database}.${name}`;
    const over = /^Distributed\('?([^',]+)'?,/.exec(found.engine_full)?.[1];
    if (cluster === undefined && over !== undefined)
      throw mismatch(`${place} is over the shards of cluster ${over}: name that cluster (--cluster ${over})`);
    if (cluster !== undefined && over === undefined)
      throw mismatch(
        `${place} is of one server (${found.engine}), and cluster ${cluster.name} is named: its rows would not be on the ` +
          'cluster. Use another database, or none of a cluster',
      );
    if (cluster !== undefined && over !== cluster.name)
      throw mismatch(`${place} is over the shards of cluster ${over!}, and cluster ${cluster.name} is named`);
  }
}

interface Replica {
  readonly name: string;
  readonly paths: number;
  readonly replicas: number;
}

/** Rejects with `cluster-unusable` where replicas of a shard do not share their rows, or shards do; `table-mismatch` where one forgets tokens. */
export async function refuseTornTables(client: ClickHouseClient, target: DatabaseTarget): Promise<void> {
  const { database, cluster } = target;
  if (cluster === undefined) return;
  await naming(cluster, async () => {
    const [size] = await ask<{ shards: number; servers: number }>(
      client,
      'SELECT uniqExact(shard_num) AS shards, count() AS servers FROM system.clusters WHERE cluster = {name:String}',
      { name: cluster.name },
    );
    const tables = await ask<Replica>(
      client,
      `SELECT table AS name, uniqExact(zookeeper_path) AS paths, count() AS replicas FROM ${onAll(cluster, 'replicas')}
WHERE database = {database:String} AND endsWith(table, ${quoteText(localName('', cluster))}) GROUP BY table ORDER BY table`,
      { database },
    );
    for (const { name, paths, replicas } of tables) {
      // With a server away, a shard may be, too.
      if (replicas !== size?.servers || paths === size.shards) continue;
      throw unusable(
        cluster.name,
        `${database}.${name} is ${paths} replicated tables on ${size.shards} shards: the macro {shard} must be the same on ` +
          'all replicas of a shard and another one on each shard, and all replicas of a table must have the same path in Keeper (system.replicas)',
      );
    }
    await refuseForgetfulReplicas(client, cluster, database);
  });
}

/** A replica's settings are its own: `ALTER ... MODIFY SETTING` on one does not reach the others. */
async function refuseForgetfulReplicas(
  client: ClickHouseClient,
  cluster: Cluster,
  database: string,
): Promise<void> {
  const least = { replicated_deduplication_window: LEAST_WINDOW, replicated_deduplication_window_seconds: 1 };
  const names = Object.keys(least);
  const server = `concat(hostName(), ':', toString(tcpPort())) AS server`;
  const defaults = await ask<{ server: string; name: string; value: string }>(
    client,
    `SELECT ${server}, name, value FROM ${onAll(cluster, 'replicated_merge_tree_settings')} WHERE name IN {names:Array(String)}`,
    { names },
  );
  const replicas = await ask<{ server: string; name: string; engine_full: string }>(
    client,
    `SELECT ${server}, name, engine_full FROM ${onAll(cluster, 'tables')}
WHERE database = {database:String} AND startsWith(engine, 'Replicated') AND endsWith(name, ${quoteText(localName('', cluster))})`,
    { database },
  );
  for (const replica of replicas)
    for (const [setting, atLeast] of Object.entries(least)) {
      const written = new RegExp(`\\b${setting}\\s*=\\s*(\\d+)`).exec(replica.engine_full)?.[1];
      const own = defaults.find((one) => one.server === replica.server && one.name === setting)?.value;
      const remembered = Number(written ?? own ?? 0);
      if (remembered >= atLeast) continue;
      throw mismatch(
        `table ${database}.${replica.name} on ${replica.server} remembers ${remembered === 0 ? 'no' : 'too few'} deduplication tokens (${setting} = ${remembered}): a ` +
          `repeated insert would double its rows. On that server: ALTER TABLE \`${database}\`.\`${replica.name}\` MODIFY SETTING ${setting} = ` +
          (setting.endsWith('_seconds') ? '604800' : '10000'),
      );
    }
}

const unusable = (name: string, what: string): SinkError =>
  new SinkError('cluster-unusable', `cluster ${name}: ${what}`);

const mismatch = (what: string): SinkError => new SinkError('table-mismatch', what);

async function naming<T>({ name }: Cluster, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SinkError) throw error;
    throw describeFailure(error, classify(error), `cluster ${name}`);
  }
}
