/**
 * A ClickHouse to query: the server that `--url` names, else the one of a `weir` that runs on the data directory, else the
 * embedded server, started on that directory for this command alone.
 *
 * I1  Nothing is created where there is no data.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { ACROSS_SHARDS } from '#sinks/clickhouse/client.ts';
import { startEmbeddedServer, type EmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';
import { EmbeddedServerError } from '#sinks/clickhouse/server/embedded-server-error.ts';
import { CliError } from './cli-error.ts';
import {
  clusterOf,
  passwordOf,
  serverAddress,
  type ConnectionCliOptions,
  type ServerAddress,
} from './connection-options.ts';
import { runningEndpoint } from './endpoint.ts';
import { reachClickHouse } from './reach-clickhouse.ts';

export interface OpenClickHouse {
  readonly client: ClickHouseClient;
  close(): Promise<void>;
}

/** Reports may scan for long; the server has its own limits. */
const requestTimeoutMs = 600_000;
/** Another `weir` locks the directory first and notes its address a little later. */
const lockedRetries = 10;
const lockedPauseMs = 300;

function clientFor(
  { url, username, password }: ServerAddress,
  { database, cluster }: ConnectionCliOptions,
): ClickHouseClient {
  return createClient({
    url,
    username,
    password,
    database,
    application: 'weir',
    request_timeout: requestTimeoutMs,
    // Who may only read may often set nothing.
    ...(cluster === undefined ? {} : { clickhouse_settings: ACROSS_SHARDS }),
    log: { level: ClickHouseLogLevel.OFF },
  });
}

/** The running server's address, or an own server on the directory. */
async function onDirectory(dataDir: string, password: string): Promise<string | EmbeddedServer> {
  const directory = join(dataDir, 'clickhouse');
  if (!existsSync(directory)) {
    throw new CliError('environment', `there is no data in ${dataDir}`, {
      remedies: [
        'make some: weir demo',
        'name another directory: --data <directory>',
        'or a server: --url <url>',
      ],
    });
  }
  for (let attempt = 0; ; attempt++) {
    const running = await runningEndpoint(dataDir);
    if (running !== undefined) return running.url;
    try {
      return await startEmbeddedServer({ dataDir: directory, defaultPassword: password });
    } catch (error) {
      const isLocked = error instanceof EmbeddedServerError && error.code === 'data-dir-locked';
      if (!isLocked || attempt === lockedRetries) throw error;
      await sleep(lockedPauseMs);
    }
  }
}

/** Closes the client where there is nobody. */
async function reach(client: ClickHouseClient, url: string): Promise<void> {
  try {
    await reachClickHouse(client, url);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Opens it. Throws a CliError or EmbeddedServerError that says what is wrong. */
export async function openClickHouse(options: ConnectionCliOptions): Promise<OpenClickHouse> {
  const address = await serverAddress(options);
  clusterOf(options.cluster, address);
  if (address !== undefined) {
    const client = clientFor(address, options);
    await reach(client, address.url);
    return { client, close: () => client.close() };
  }
  const password = await passwordOf(options);
  const found = await onDirectory(options.data, password);
  const url = typeof found === 'string' ? found : found.url;
  const client = clientFor({ url, username: 'default', password }, options);
  return {
    client,
    close: async () => {
      await client.close();
      if (typeof found !== 'string') await found.stop();
    },
  };
}
