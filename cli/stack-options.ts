/** Options that commands with a stack share. */
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { addConnectionOptions, serverAddress, type ConnectionCliOptions } from './connection-options.ts';
import type { StackOptions } from './stack.ts';

export interface StackCliOptions extends ConnectionCliOptions {
  readonly port: string;
  readonly host: string;
}

export function addStackOptions(command: Command): Command {
  return addConnectionOptions(command)
    .option('--port <number>', 'port of the embedded ClickHouse; 0 takes a free one', '0')
    .option('--host <address>', 'address of the embedded ClickHouse', '127.0.0.1');
}

/** The stack's part of a command's options. Throws usage errors that name the option. */
export async function stackOptions(
  options: StackCliOptions,
): Promise<Pick<StackOptions, 'dataDir' | 'server' | 'database' | 'port' | 'host'>> {
  const port = Number(options.port);
  if (!/^\d+$/.test(options.port) || port > 65_535)
    throw new CliError('usage', `--port: '${options.port}' is no port (0 to 65535)`);
  const server = await serverAddress(options);
  const common = { dataDir: options.data, database: options.database, port, host: options.host };
  return server === undefined ? common : { ...common, server };
}
