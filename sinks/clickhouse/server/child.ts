/**
 * The ClickHouse child process: opens the data directory, listens, says so to the parent.
 *
 * A process of its own, because the engine can end its process (memory, a fatal error) and Weir must survive that.
 *
 * I1. Signals of the terminal (Ctrl-C reaches the whole process group) do not stop it: the parent decides when,
 *     after it has flushed. It stops by the parent's message, or when the parent is gone (the IPC channel ends).
 * I2. Stopping is bounded: statements get the grace time, then are killed; then the engine is closed.
 * I3. It reports `ready` only when it can answer, and the reason when it cannot start.
 */
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDir, openDataDir } from './data-dir.ts';
import { EmbeddedServerError } from './embedded-server-error.ts';
import { Engine, EngineMissing, readRows } from './engine.ts';
import { writeEngineConfig } from './engine-config.ts';
import { createHttpServer } from './http-server.ts';
import { type FromChild, readToChild } from './protocol.ts';
import type { ServerFacts } from './response.ts';
import { RunningQueries } from './running-queries.ts';
import type { ServerOptions } from './server-options.ts';
import { Sessions } from './sessions.ts';

interface Started {
  readonly server: Server;
  readonly engine: Engine;
  readonly running: RunningQueries;
  readonly sessions: Sessions;
  readonly dataDir: DataDir;
}

/** How long to wait for statements that were told to stop. */
const killGraceMs = 1_000;
/** Grace time when the parent is gone and cannot say. */
const orphanGraceMs = 3_000;

function openEngine(dataDir: DataDir, configPath: string, path: string): Engine {
  try {
    return new Engine(dataDir.enginePath, configPath);
  } catch (error) {
    if (error instanceof EngineMissing) throw new EmbeddedServerError('engine-missing', error.message);
    const reason = error instanceof Error ? error.message : String(error);
    throw new EmbeddedServerError('engine-failed', `ClickHouse cannot open its data in ${path}: ${reason}`);
  }
}

async function readFacts(engine: Engine): Promise<ServerFacts> {
  const connection = engine.connect();
  try {
    const [about] = await readRows(connection, 'SELECT version(), hostName(), timezone()');
    const types = await readRows(connection, 'SELECT name, content_type FROM system.formats WHERE is_output');
    const contentTypes = new Map(types.map(([name, type]) => [name ?? '', type ?? '']));
    return {
      version: about?.[0] ?? '',
      displayName: about?.[1] ?? '',
      timezone: about?.[2] ?? '',
      contentTypes,
    };
  } finally {
    connection.close();
  }
}

function listenError(error: Error & { readonly code?: string }, options: ServerOptions): Error {
  const { host, port } = options;
  if (error.code === 'EADDRINUSE') {
    return new EmbeddedServerError(
      'port-in-use',
      `port ${port} on ${host} is in use by another program: stop it, or give ClickHouse another port (0 takes a free one)`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EACCES') {
    return new EmbeddedServerError(
      'address-not-available',
      `ClickHouse cannot listen on ${host}, port ${port} (${error.code}): give an address of this host and a port that this user may open`,
    );
  }
  return error;
}

async function listen(server: Server, options: ServerOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(listenError(error, options));
    });
    server.listen({ host: options.host, port: options.port }, resolve);
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : options.port;
}

async function start(
  options: ServerOptions,
): Promise<{ readonly started: Started; readonly port: number; readonly version: string }> {
  const dataDir = await openDataDir(options.dataDir);
  try {
    const configPath = await writeEngineConfig(dataDir.configPath, options.limits, options.allowedEngines);
    const engine = openEngine(dataDir, configPath, options.dataDir);
    const facts = await readFacts(engine);
    const running = new RunningQueries(engine, options.limits.maxConcurrentQueries);
    const sessions = new Sessions(engine, options.limits.maxSessions);
    const server = createHttpServer({
      engine,
      facts,
      options,
      running,
      sessions,
      spoolPath: dataDir.spoolPath,
    });
    const port = await listen(server, options);
    return { started: { server, engine, running, sessions, dataDir }, port, version: facts.version };
  } catch (error) {
    await dataDir.release();
    throw error;
  }
}

/** Stop in order. Resolves with true when everything is closed and the lock given back, with false when that cannot be. */
async function stop(
  { server, engine, running, sessions, dataDir }: Started,
  graceMs: number,
): Promise<boolean> {
  const answered = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  const closingIdle = setInterval(() => {
    server.closeIdleConnections();
  }, 20);
  server.closeIdleConnections();
  if (!(await running.idle(graceMs))) {
    await running.killAll();
    // A statement that does not heed the kill: what it wrote is as after a crash, whole or not there.
    if (!(await running.idle(killGraceMs))) return false;
  }
  // What has been computed is still sent, if the client takes it.
  await Promise.race([answered, sleep(graceMs)]);
  clearInterval(closingIdle);
  server.closeAllConnections();
  sessions.close();
  engine.close();
  await dataDir.release();
  return true;
}

function tell(message: FromChild): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => { resolve(); }); // prettier-ignore
  });
}

async function run(options: ServerOptions): Promise<Started | undefined> {
  try {
    const { started, port, version } = await start(options);
    await tell({ type: 'ready', port, engineVersion: version });
    return started;
  } catch (error) {
    const known = error instanceof EmbeddedServerError ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    await tell({ type: 'failed', code: known?.code ?? 'engine-failed', message });
    process.exitCode = 1;
    return undefined;
  }
}

function main(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const)
    process.on(signal, () => undefined);
  let starting: Promise<Started | undefined> = Promise.resolve(undefined);
  let isStopping = false;
  const stopAndExit = async (graceMs: number): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    // Without a start that has come to an end, or with a statement that does not, a thread is busy, which `exit`
    // would wait for.
    const ended = await Promise.race([starting, sleep(graceMs, 'starting' as const)]);
    const isClean = ended !== 'starting' && (ended === undefined || (await stop(ended, graceMs)));
    if (!isClean) process.kill(process.pid, 'SIGKILL');
    process.exit();
  };
  process.on('message', (raw: unknown) => {
    const message = readToChild(raw);
    if (message?.type === 'start') {
      starting = run(message.options).then((started) => {
        if (started === undefined) process.exit();
        return started;
      });
    } else if (message?.type === 'stop') void stopAndExit(message.graceMs);
  });
  process.on('disconnect', () => void stopAndExit(orphanGraceMs));
}

main();
