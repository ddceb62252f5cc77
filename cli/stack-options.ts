/** Options that commands with a stack share. */
import type { Command } from 'commander';
import { isLoopback } from '#sinks/clickhouse/server/server-options.ts';
import { CliError } from './cli-error.ts';
import {
  addConnectionOptions,
  clusterOf,
  passwordOf,
  serverAddress,
  type ConnectionCliOptions,
} from './connection-options.ts';
import type { StackOptions } from './stack.ts';

export interface StackCliOptions extends ConnectionCliOptions {
  readonly port: string;
  readonly host: string;
}

export function addStackOptions(command: Command): Command {
  return addConnectionOptions(command)
    .option('--port <number>', 'port of the embedded ClickHouse; 0 takes a free one', '0')
    .option(
      '--host <address>',
      'address of the embedded ClickHouse; one that other hosts reach needs --password-file',
      '127.0.0.1',
    );
}

/** The stack's part of a command's options. Throws usage errors that name the option. */
export async function stackOptions(
  options: StackCliOptions,
): Promise<Pick<StackOptions, 'dataDir' | 'server' | 'cluster' | 'database' | 'port' | 'host' | 'password'>> {
  const port = Number(options.port);
  if (!/^\d+$/.test(options.port) || port > 65_535)
    throw new CliError('usage', `--port: '${options.port}' is no port (0 to 65535)`);
  const server = await serverAddress(options);
  const common = { dataDir: options.data, database: options.database, port, host: options.host };
  const cluster = clusterOf(options.cluster, server);
  if (server !== undefined) return { ...common, server, ...(cluster === undefined ? {} : { cluster }) };
  const password = await passwordOf(options);
  if (!isLoopback(options.host) && password === '') {
    throw new CliError(
      'usage',
      `--host: ${options.host} is reachable from other hosts, so ClickHouse needs a password there`,
      { remedies: ['give one: --password-file <file>', 'or listen on this host only: --host 127.0.0.1'] },
    );
  }
  return { ...common, password };
}
