/**
 * A ClickHouse cluster of two shards on this machine: two servers (clickhouse-node.py) and an Apache ZooKeeper from Maven.
 *
 * What is real: the servers' HTTP and native protocol, Distributed tables, ReplicatedMergeTree with its tokens in ZooKeeper.
 * What is not, for the engine lacks it: a shard has one replica; and the queue of statements ON CLUSTER is played by the
 * address that clients get (`url`), which sends such a statement to each server. The tables in which processes of Weir tell one
 * another something (`weir_...` without a topic) are on the first server only: on two they would exchange parts.
 * Inserts go to the two servers in turn, so repeated ones come by another way.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../integration/embedded-clickhouse.fixture.ts';
import { startRouter } from './clickhouse-router.fixture.ts';
import { steadyPorts } from './steady-ports.fixture.ts';
import { listens, mustRun, startZooKeeper } from './zookeeper.fixture.ts';

export const clusterName = 'main';

export interface ClickHouseNode {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** By SIGKILL. */
  kill(): Promise<void>;
  /** Resolves when it answers again. */
  start(): Promise<void>;
}

export interface ClickHouseCluster {
  /** For clients: see the header. */
  readonly url: string;
  readonly nodes: readonly ClickHouseNode[];
  /** Resolves when every server answers the others and takes inserts. */
  ready(): Promise<void>;
  /** Starts a server that knows the cluster, but no Keeper. Resolves to an address like `url`. */
  startWithoutKeeper(): Promise<string>;
  stop(): Promise<void>;
}

const script = fileURLToPath(new URL('clickhouse-node.py', import.meta.url));
const localhost = '127.0.0.1';
const startMs = 180_000;
interface Ports {
  readonly http: number;
  readonly tcp: number;
}

interface NodeConfig extends Ports {
  readonly directory: string;
  readonly shard: number;
  readonly shards: readonly Ports[];
  readonly keeperPort: number | undefined;
}

/** This engine has no UUID of its own, by which servers tell their sessions apart: with one root, each would end the other's. */
const rootOf = (shard: number): string => `/shard-${shard}`;

function configXml({ directory, http, tcp, shard, shards, keeperPort }: NodeConfig): string {
  const shardXml = shards.map(
    (ports) =>
      `<shard><internal_replication>true</internal_replication><replica><host>${localhost}</host><port>${ports.tcp}</port></replica></shard>`,
  );
  const keeperXml =
    keeperPort === undefined
      ? ''
      : `<zookeeper><node><host>${localhost}</host><port>${keeperPort}</port></node><session_timeout_ms>5000</session_timeout_ms><root>${rootOf(shard)}</root></zookeeper>`;
  return `<clickhouse>
  <users_config>${join(directory, 'users.xml')}</users_config>
  <listen_host>${localhost}</listen_host><http_port>${http}</http_port><tcp_port>${tcp}</tcp_port>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <macros><shard>${shard}</shard><replica>only</replica></macros>
  <remote_servers><${clusterName}>${shardXml.join('')}</${clusterName}></remote_servers>
  ${keeperXml}
</clickhouse>
`;
}

const usersXml =
  '<clickhouse><profiles><default></default></profiles><quotas><default></default></quotas><users><default><password></password>' +
  '<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>\n';

/** The engine runs as long as its last statement does. */
const statements =
  'SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; ' +
  'SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size = 1, max_threads = 1 FORMAT Null';

class EngineNode implements ClickHouseNode {
  readonly url: string;
  readonly #config: NodeConfig;
  readonly #engine: Engine;
  #child: ChildProcess | undefined;

  constructor(config: NodeConfig, engine: Engine) {
    this.url = `http://${localhost}:${config.http}`;
    this.#config = config;
    this.#engine = engine;
  }

  async start(): Promise<void> {
    const { directory, http } = this.#config;
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'users.xml'), usersXml);
    await writeFile(join(directory, 'config.xml'), configXml(this.#config));
    const { library, places } = this.#engine;
    const options = [
      `--config-file=${join(directory, 'config.xml')}`,
      `--path=${join(directory, 'data')}`,
      `--logger.log=${join(directory, 'log')}`,
      '--logger.level=warning',
      `--query=${statements}`,
    ];
    const child = spawn('python3', [script, 'run', library, places, ...options], { stdio: 'ignore' });
    this.#child = child;
    // As a supervisor does it: this engine may die of a connection that another server, when it is killed, breaks off.
    child.once('exit', () => {
      if (this.#child === child) void this.start().catch(() => undefined);
    });
    await until(() => listens(http), startMs);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

interface Engine {
  readonly library: string;
  readonly places: string;
}

async function findEngine(): Promise<Engine> {
  const main = createRequire(createRequire(import.meta.url).resolve('chdb'));
  const library = join(main.resolve('@chdb/lib-linux-x64-gnu'), '..', 'libchdb.so');
  return { library, places: (await mustRun('python3', [script, 'find', library], tmpdir())).trim() };
}

async function isReady(nodes: readonly ClickHouseNode[]): Promise<boolean> {
  const query =
    `SELECT (SELECT count() FROM clusterAllReplicas(${clusterName}, system.one)), ` +
    `(SELECT sum(is_readonly) FROM clusterAllReplicas(${clusterName}, system.replicas))`;
  const answers = nodes.map(async ({ url }) => {
    const response = await fetch(url, { method: 'POST', body: query });
    return (await response.text()).trim() === `${nodes.length}\t0`;
  });
  return (await Promise.all(answers).catch(() => [false])).every(Boolean);
}

/** Starts the cluster. Rejects, with nothing left running, if a part of it cannot be had. */
export async function startClickHouseCluster(): Promise<ClickHouseCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-cluster-'));
  const engine = await findEngine();
  const [keeperPort, ...ports] = await steadyPorts(7);
  const pairs = [0, 2, 4].map((i) => ({ http: ports[i]!, tcp: ports[i + 1]! }));
  const shards = pairs.slice(0, 2);
  const nodeOf = (i: number, keeper: number | undefined): EngineNode =>
    new EngineNode(
      { ...pairs[i]!, directory: join(directory, String(i)), shard: i + 1, shards, keeperPort: keeper },
      engine,
    );
  const nodes = [nodeOf(0, keeperPort), nodeOf(1, keeperPort)];
  const others: EngineNode[] = [];
  const keeper = await startZooKeeper(directory, keeperPort!, [1, 2].map(rootOf));
  const { server, url } = await startRouter(clusterName, nodes);
  const routers = [server];
  const stop = async (): Promise<void> => {
    for (const router of routers) {
      router.closeAllConnections();
      router.close();
    }
    for (const node of [...nodes, ...others]) await node.kill();
    keeper.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    nodes,
    ready: () => until(() => isReady(nodes), startMs),
    startWithoutKeeper: async () => {
      const node = nodeOf(2, undefined);
      others.push(node);
      await node.start();
      const router = await startRouter(clusterName, [node]);
      routers.push(router.server);
      return router.url;
    },
    stop,
  };
}
