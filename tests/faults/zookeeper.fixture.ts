/** Apache ZooKeeper for tests: its jars from Maven Central, kept in Weir's cache, and one server. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findJava } from '#local/kafka/java.ts';
import { lastLines, runProgram } from '#local/kafka/run-program.ts';
import { until } from '../integration/embedded-clickhouse.fixture.ts';

const version = '3.9.4';
const downloadMs = 300_000;
const startMs = 60_000;

/** Runs a program to its end. Rejects with the last lines of its output when it fails. */
export async function mustRun(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { exitCode, output } = await runProgram(program, args, { timeoutMs: downloadMs, cwd });
  if (exitCode !== 0) throw new Error(`${program} ${args[0] ?? ''} failed:\n${lastLines(output, 15)}`);
  return output;
}

/** The jars, fetched by Maven into the cache of Weir, once. */
async function zooKeeperJars(): Promise<string> {
  const cache = process.env['WEIR_CACHE'] ?? join(homedir(), '.cache', 'weir');
  const target = join(cache, 'zookeeper', version);
  if (existsSync(target)) return target;
  await mkdir(join(cache, 'zookeeper'), { recursive: true });
  const building = await mkdtemp(join(cache, 'zookeeper', '.fetch-'));
  const dependencies = [
    ['org.apache.zookeeper', 'zookeeper', version],
    // What it needs to run and does not name as a dependency of that kind.
    ['io.dropwizard.metrics', 'metrics-core', '4.1.12.1'],
    ['org.xerial.snappy', 'snappy-java', '1.1.10.7'],
    ['commons-cli', 'commons-cli', '1.5.0'],
  ].map(
    ([group, artifact, of]) =>
      `<dependency><groupId>${group!}</groupId><artifactId>${artifact!}</artifactId><version>${of!}</version></dependency>`,
  );
  await writeFile(
    join(building, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>weir</groupId>` +
      `<artifactId>test</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join('')}</dependencies></project>`,
  );
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  const options = ['-DincludeScope=runtime', `-DoutputDirectory=${join(building, 'libs')}`];
  await mustRun('mvn', ['--batch-mode', '--strict-checksums', '--quiet', goal, ...options], building);
  await rename(join(building, 'libs'), target).catch((error: unknown) => {
    if (!existsSync(target)) throw error;
  });
  await rm(building, { recursive: true, force: true });
  return target;
}

/** Starts it on a port of this host, with empty nodes at these paths. */
export async function startZooKeeper(
  directory: string,
  port: number,
  paths: readonly string[],
): Promise<ChildProcess> {
  const config = join(directory, 'zoo.cfg');
  const settings = {
    tickTime: 500,
    dataDir: join(directory, 'zookeeper'),
    clientPort: port,
    clientPortAddress: '127.0.0.1',
    'admin.enableServer': false,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${String(value)}\n`);
  await writeFile(config, lines.join(''));
  const java = await findJava();
  const run = ['-Xmx256m', '-Dzookeeper.forceSync=no', '-cp', join(await zooKeeperJars(), '*')];
  const server = spawn(java, [...run, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config], {
    stdio: 'ignore',
  });
  try {
    await until(() => listens(port), startMs);
    const client = [...run, 'org.apache.zookeeper.ZooKeeperMain', '-server', `127.0.0.1:${port}`];
    for (const path of paths) await mustRun(java, [...client, 'create', path], directory);
    return server;
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
}

/** Whether somebody listens on a port of this host. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => {
      resolve(false);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
