/** Options that commands with a stack share. */
import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { CliError } from './cli-error.ts';
import type { StackOptions } from './stack.ts';

export const defaultDataDir = '.weir/data';

export interface StackCliOptions {
  readonly data: string;
  readonly port: string;
  readonly host: string;
  readonly url?: string;
  readonly user: string;
  readonly passwordFile?: string;
  readonly database: string;
}

export function addStackOptions(command: Command): Command {
  return command
    .option('--data <directory>', 'data directory of the embedded ClickHouse', defaultDataDir)
    .option('--port <number>', 'port of the embedded ClickHouse; 0 takes a free one', '0')
    .option('--host <address>', 'address of the embedded ClickHouse', '127.0.0.1')
    .addOption(new Option('--url <url>', 'a ClickHouse server to use instead of the embedded one').env('WEIR_CLICKHOUSE_URL'))
    .addOption(new Option('--user <name>', 'its user').env('WEIR_CLICKHOUSE_USER').default('default'))
    .addOption(new Option('--password-file <file>', "file with its user's password").env('WEIR_CLICKHOUSE_PASSWORD_FILE'))
    .option('--database <name>', 'database of the tables', 'default');
}

/** The stack's part of a command's options. Throws usage errors that name the option. */
export async function stackOptions(
  options: StackCliOptions,
): Promise<Pick<StackOptions, 'dataDir' | 'server' | 'database' | 'port' | 'host'>> {
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new CliError('usage', `--port: '${options.port}' is no port (0 to 65535)`);
  const common = { dataDir: options.data, database: options.database, port, host: options.host };
  if (options.url === undefined) return common;
  if (!URL.canParse(options.url)) throw new CliError('usage', `--url: '${options.url}' is no URL; write http://host:8123`);
  const password = options.passwordFile === undefined ? '' : await secretFrom(options.passwordFile);
  return { ...common, server: { url: options.url, username: options.user, password } };
}

async function secretFrom(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trimEnd();
  } catch (error) {
    throw new CliError('usage', `--password-file: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
