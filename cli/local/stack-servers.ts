/**
 * The servers of a local stack, started together and kept running.
 *
 * I1  When `startServers` rejects, neither runs.
 * I2  A server that dies is started again on its port and data; one that dies soon after each start is given up, and the
 *     other goes on.
 */
import { freePorts } from '#local/kafka/free-port.ts';
import { type LocalKafka, startKafka } from '#local/kafka/start-kafka.ts';
import { LocalError } from '#local/local-error.ts';
import { identityOf, type ProcessIdentity } from '#local/process-identity.ts';
import type { ClickHouseState, KafkaState } from '#local/stack/stack-state.ts';
import { clickHouseDirectory, kafkaDirectory } from '#local/stack/state-file.ts';
import {
  type EmbeddedServer,
  type ServerEvent,
  startEmbeddedServer,
} from '#sinks/clickhouse/server/embedded-server.ts';
import { keepKafka } from './keep-kafka.ts';
import type { LocalStackConfig } from './stack-config.ts';

export interface StackServers {
  /** How they are now, for the state file. */
  state(): { readonly kafka: KafkaState; readonly clickhouse: ClickHouseState | undefined };
  stop(): Promise<void>;
}

export interface ServerHooks {
  readonly onStep: (step: string) => void;
  /** For the log: what happened to a server. */
  readonly onNote: (note: string) => void;
  /** `state` has changed. */
  readonly onChange: () => void;
  /** Gives up the start. */
  readonly signal: AbortSignal;
}

const host = '127.0.0.1';
const usualKafkaPort = 9092;
const usualClickHousePort = 8123;

function startLocalKafka(config: LocalStackConfig, { onStep, signal }: ServerHooks): Promise<LocalKafka> {
  const { kafkaPort, brokers, runtime, dataDir } = config;
  const from = (port: number): number[] => [port, port + 1, port + 2];
  return startKafka({
    dataDir: kafkaDirectory(dataDir),
    runtime,
    host,
    onStep,
    signal,
    ...(brokers === undefined ? {} : { nodes: brokers }),
    ...(kafkaPort === undefined ? { preferredPorts: from(usualKafkaPort) } : {}),
    ...(kafkaPort === undefined || kafkaPort === 0 ? {} : { ports: from(kafkaPort) }),
  });
}

async function clickHousePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) return wanted;
  try {
    await freePorts(host, [usualClickHousePort], 1);
    return usualClickHousePort;
  } catch (error) {
    if (error instanceof LocalError && error.code === 'port-in-use') return 0;
    throw error;
  }
}

function noteOf(event: ServerEvent): string {
  switch (event.type) {
    case 'died':
      return `ClickHouse (process ${event.pid}) ended by ${event.signal ?? `exit code ${String(event.exitCode)}`}; starting it again`;
    case 'restarted':
      return `ClickHouse is back as process ${event.pid}`;
    case 'restart-failed':
      return `ClickHouse could not be started again: ${event.error.message}`;
  }
}

async function startClickHouse(config: LocalStackConfig, hooks: ServerHooks): Promise<EmbeddedServer> {
  const server = {
    dataDir: clickHouseDirectory(config.dataDir),
    host,
    port: await clickHousePort(config.clickhousePort),
    onLog: (line: string) => {
      hooks.onNote(`ClickHouse: ${line}`);
    },
    onEvent: (event: ServerEvent) => {
      hooks.onNote(noteOf(event));
      hooks.onChange();
    },
  };
  return startEmbeddedServer(server, hooks.signal);
}

/** One that has just ended is written down as ended: no process has its start time. */
function identity(pid: number): ProcessIdentity {
  return identityOf(pid) ?? { pid, startedAt: 'ended' };
}

/** Both start at once; the failure of one gives up the other. */
export async function startServers(config: LocalStackConfig, hooks: ServerHooks): Promise<StackServers> {
  const failed = new AbortController();
  const orGiveUp = async <T>(server: Promise<T>): Promise<T> => {
    try {
      return await server;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const signal = AbortSignal.any([hooks.signal, failed.signal]);
  const [kafka, clickhouse] = await Promise.allSettled([
    orGiveUp(startLocalKafka(config, { ...hooks, signal })),
    orGiveUp(config.clickhouse ? startClickHouse(config, { ...hooks, signal }) : Promise.resolve(undefined)),
  ]);
  if (kafka.status === 'fulfilled' && clickhouse.status === 'fulfilled' && !hooks.signal.aborted)
    return keep(kafka.value, clickhouse.value, hooks);
  await Promise.all([
    kafka.status === 'fulfilled' ? kafka.value.stop() : undefined,
    clickhouse.status === 'fulfilled' ? clickhouse.value?.stop() : undefined,
  ]);
  // The reason of the one that failed first: the other ends by it as well.
  signal.throwIfAborted();
  throw new Error('a server was not started, for no reason');
}

function keep(kafka: LocalKafka, clickhouse: EmbeddedServer | undefined, hooks: ServerHooks): StackServers {
  const kept = keepKafka(kafka, hooks);
  let clickHouseFailure: string | undefined;
  void clickhouse?.exited.then((exit) => {
    if (exit.reason === 'stopped') return;
    clickHouseFailure = exit.error.message;
    hooks.onNote(clickHouseFailure);
    hooks.onChange();
  });
  return {
    state: () => ({
      kafka: {
        version: kafka.version,
        runtime: kafka.runtime,
        brokers: kafka.brokers.map(({ id, port, pid, container, logPath }) => ({
          id,
          address: `${host}:${port}`,
          process: identity(pid),
          container,
          logPath,
          failure: kept.failureOf(id),
        })),
      },
      clickhouse: clickhouse && {
        url: clickhouse.url,
        version: clickhouse.engineVersion,
        process: identity(clickhouse.pid()),
        failure: clickHouseFailure,
      },
    }),
    stop: async () => {
      await Promise.all([kept.stop(), clickhouse?.stop()]);
    },
  };
}
