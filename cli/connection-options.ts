/** Options that name a ClickHouse and its data: a data directory of the embedded one, or a server elsewhere. */
import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import type { Cluster } from '#sinks/clickhouse/cluster.ts';
import { CliError } from './cli-error.ts';

/** Relative to the working directory. */
export const defaultDataDir = '.weir/data';
/** That of the local stack, likewise. */
export const localDataDir = '.weir/local';

export interface ConnectionCliOptions {
  readonly data: string;
  readonly url?: string;
  readonly user: string;
  readonly passwordFile?: string;
  readonly database: string;
  readonly cluster?: string;
}

/** A ClickHouse server that somebody else runs. */
export interface ServerAddress {
  readonly url: string;
  readonly username: string;
  readonly password: string;
}

export function addConnectionOptions(
  command: Command,
  { data = defaultDataDir, dataMeans = 'data directory of the embedded ClickHouse' } = {},
): Command {
  return command
    .option('--data <directory>', dataMeans, data)
    .addOption(
      new Option('--url <url>', 'a ClickHouse server to use instead of the embedded one').env(
        'WEIR_CLICKHOUSE_URL',
      ),
    )
    .addOption(new Option('--user <name>', 'its user').env('WEIR_CLICKHOUSE_USER').default('default'))
    .addOption(
      new Option(
        '--password-file <file>',
        "file with its user's password, or with that of the embedded one's user default",
      ).env('WEIR_CLICKHOUSE_PASSWORD_FILE'),
    )
    .option('--database <name>', 'database of the tables', 'default')
    .addOption(
      new Option(
        '--cluster <name>',
        "cluster of that server's on which the tables are, replicated and over all shards",
      ).env('WEIR_CLICKHOUSE_CLUSTER'),
    );
}

/**
 * The cluster that `--cluster` names, of the server that was found.
 *
 * @throws CliError usage, where there is none but the embedded one
 */
export function clusterOf(name: string | undefined, server: ServerAddress | undefined): Cluster | undefined {
  if (name === undefined || name === '') return undefined;
  if (server !== undefined) return { name };
  throw new CliError(
    'usage',
    `--cluster: the embedded ClickHouse is one server, and no part of cluster ${name}`,
    {
      remedies: [
        'name a server of the cluster: --url <url>',
        'or leave --cluster and WEIR_CLICKHOUSE_CLUSTER out',
      ],
    },
  );
}

/** The server that `--url` names, or undefined without it. Throws usage errors that name the option. */
export async function serverAddress(options: ConnectionCliOptions): Promise<ServerAddress | undefined> {
  if (options.url === undefined) return undefined;
  if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url))
    throw new CliError('usage', `--url: '${withoutUser(options.url)}' is no URL; write http://host:8123`);
  const { username, password } = new URL(options.url);
  if (username !== '' || password !== '')
    throw new CliError(
      'usage',
      '--url: user and password do not belong into an address, which is printed and logged',
      {
        remedies: ['name the user with --user, and a file with the password with --password-file'],
      },
    );
  return { url: options.url, username: options.user, password: await passwordOf(options) };
}

/** What is no URL may hold a password all the same: it is shown from the last @ on. */
const withoutUser = (text: string): string => text.replace(/^.*@/s, '...@');

/** The password that `--password-file` holds; empty without it. Throws usage errors that name the option. */
export async function passwordOf({ passwordFile }: ConnectionCliOptions): Promise<string> {
  if (passwordFile === undefined) return '';
  const password = await secretFrom(passwordFile);
  if (password === '') throw new CliError('usage', `--password-file: ${passwordFile} is empty`);
  return password;
}

async function secretFrom(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('usage', `--password-file: ${reason}`, { cause: error });
  }
}
