/**
 * `weir up` into a ClickHouse cluster of two shards, by the built command line: killed once itself, and one of its shards too.
 * What of the cluster is real, and what is not: clickhouse-cluster.fixture.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { allMigrations } from '#cli/migrations.ts';
import { allReports } from '#cli/reports/report-list.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { startWeir, weir, type Ended } from '../integration/cli-process.fixture.ts';
import { startTestServer, until } from '../integration/embedded-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { clusterName, startClickHouseCluster, type ClickHouseCluster } from './clickhouse-cluster.fixture.ts';

const local = kafkaForFile();
const database = 'weir';
let cluster: ClickHouseCluster;
let client: ClickHouseClient;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-test-'));
  cluster = await startClickHouseCluster();
  client = openClient({ url: cluster.url });
}, 400_000);

afterAll(async () => {
  await client.close();
  await cluster.stop();
  await rm(directory, { recursive: true, force: true });
});

const onCluster = (): string[] => ['--url', cluster.url, '--database', database, '--cluster', clusterName];
const up = (context: TestContext, ...options: string[]): string[] => [
  'up',
  '--data',
  directory,
  '--brokers',
  local.of(context).bootstrapServers,
  ...options,
];
const simulating = ['--simulate', '--no-host-io'];

async function rows<R>(query: string): Promise<R[]> {
  const result = await client.query({
    query,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json<R>();
}

const linkStates = async (): Promise<number> =>
  (await rows<{ n: number }>(`SELECT count() AS n FROM ${database}.migration_link_states`))[0]!.n;

const started = (): string => `ClickHouse: ${cluster.url}, cluster ${clusterName}`;

function expectEnd({ exitCode, stderr, stdout }: Ended, code = 0): void {
  expect(exitCode, stdout + stderr).toBe(code);
}

test('what cannot be a cluster for it is refused at the start, with what to do', async (context) => {
  const unknown = await weir(up(context, '--url', cluster.url, '--database', 'x', '--cluster', 'mian'));
  expectEnd(unknown, 3);
  expect(unknown.stderr).toContain(`cluster mian: this server does not know it; it knows ${clusterName}`);

  const url = await cluster.startWithoutKeeper();
  const keeperless = await weir(up(context, '--url', url, '--cluster', clusterName));
  expectEnd(keeperless, 3);
  expect(keeperless.stderr).toContain('this server has no Keeper');

  const embedded = await startTestServer();
  const alone = await weir(up(context, '--url', embedded.server.url, '--cluster', clusterName));
  await embedded.close();
  expectEnd(alone, 3);
  expect(alone.stderr).toContain('clusters need servers of your own');

  const none = await weir(['audit', '--data', directory, '--cluster', clusterName]);
  expectEnd(none, 2);
  expect(none.stderr).toContain('--cluster: the embedded ClickHouse is one server');
});

test('every record is one row of one shard, though the run and a shard are killed', async (context) => {
  const first = startWeir(up(context, ...onCluster(), ...simulating));
  await first.seen(started());
  await until(async () => (await linkStates()) > 200, 180_000);
  await cluster.nodes[1]!.kill();
  // Batches of its partitions are promised and wait.
  await first.seen('waiting for ClickHouse');
  first.child.kill('SIGKILL');
  await first.ended;
  await cluster.nodes[1]!.start();
  await cluster.ready();
  const second = await weir(up(context, ...onCluster(), ...simulating, '--for', '8s'));
  expectEnd(second);
  expect(second.stdout).toContain(
    `More: weir report --url ${cluster.url} --database ${database} --cluster ${clusterName}`,
  );

  const audit = [
    'audit',
    '--data',
    directory,
    '--brokers',
    local.of(context).bootstrapServers,
    ...onCluster(),
  ];
  expectEnd(await weir(audit));
  const spread = await rows<{ shard: number; partition: number }>(
    `SELECT DISTINCT _shard_num AS shard, _partition AS partition FROM ${database}.migration_link_states`,
  );
  expect(new Set(spread.map(({ shard }) => shard)).size).toBe(2);
  expect(spread).toHaveLength(new Set(spread.map(({ partition }) => partition)).size);
});

test('an insert that is repeated by way of the other shard is dropped, in the targets of views as well', async () => {
  const insert = `INSERT INTO ${database}.migration_link_states (device_id, observed_at, _partition, _offset)
    SETTINGS insert_deduplication_token = 'again', distributed_foreground_insert = 1, deduplicate_blocks_in_dependent_materialized_views = 1
    SELECT 'device-x', now64(3), number, 1 FROM numbers(2)`;
  for (const node of [...cluster.nodes, ...cluster.nodes]) {
    const direct = openClient({ url: node.url });
    await direct.command({ query: insert });
    await direct.close();
  }
  expect(
    await rows(`SELECT count() AS n FROM ${database}.migration_link_states WHERE device_id = 'device-x'`),
  ).toEqual([{ n: 2 }]);
  const newest = `clusterAllReplicas(${clusterName}, ${database}.migration_newest_events_local)`;
  expect(await rows(`SELECT count() AS n FROM ${newest} WHERE device_id = 'device-x'`)).toEqual([{ n: 2 }]);
});

test('reports join rows of all shards', async () => {
  const refused: string[] = [];
  for (const { name } of allReports()) {
    const { exitCode, stderr } = await weir(['report', name, ...onCluster()]);
    if (exitCode !== 0) refused.push(stderr);
  }
  expect(refused).toEqual([]);
});

test('tables that are there are checked also while a shard is down', async () => {
  const tables = weirApp.streams.map((stream) => tableOf(stream, database, { name: clusterName }));
  await cluster.nodes[1]!.kill();
  // It may die of that, and is started again.
  await until(() =>
    fetch(cluster.nodes[0]!.url).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const startMs = performance.now();
  await prepareTables(client, tables, allMigrations());
  // It waits for no shard: who does, waits for three minutes.
  expect(performance.now() - startMs).toBeLessThan(60_000);
  await cluster.nodes[1]!.start();
  await cluster.ready();
});

test('a shard that forgets tokens is refused, wherever it is', async (context) => {
  const direct = openClient({ url: cluster.nodes[1]!.url });
  const alter = (window: number): Promise<unknown> =>
    direct.command({
      query: `ALTER TABLE ${database}.migration_alerts_local MODIFY SETTING replicated_deduplication_window = ${window}`,
    });
  await alter(0);
  const refused = await weir(up(context, ...onCluster()));
  await alter(10_000);
  await direct.close();
  expectEnd(refused, 1);
  expect(refused.stderr).toMatch(
    /table weir\.migration_alerts_local on \S+ remembers no deduplication tokens/,
  );
});

test('a start that forgets the cluster is refused', async (context) => {
  const forgotten = await weir(up(context, '--url', cluster.url, '--database', database));
  expectEnd(forgotten, 1);
  expect(forgotten.stderr).toContain(`name that cluster (--cluster ${clusterName})`);
});
