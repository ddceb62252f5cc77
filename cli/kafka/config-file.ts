/**
 * The configuration file of `weir up`, `weir.config.json`:
 *
 *     { "kafka": { "brokers": ["kafka-1:9093"], "tls": true, "sasl": { ... } },
 *       "clickhouse": { "url": "https://clickhouse:8443", "user": "weir", "passwordFile": "/run/secrets/clickhouse", "database": "weir",
 *                       "cluster": "main" },
 *       "workers": 3,
 *       "only": ["migration"],
 *       "parameters": { "migration.device-failover": { "holdDownMs": 5000 } } }
 *
 * Options and the environment go before it. `kafka` is described in engine/kafka/connection-settings.ts.
 *
 * I1  It holds no secrets: one that does is refused.
 * I2  What it does not know is refused, so that nothing misspelt is passed over.
 */
import { readFile } from 'node:fs/promises';
import { CliError } from '../cli-error.ts';
import { unknownName } from '../unknown-name.ts';

export interface ConfigFile {
  /** As connectionFromSettings reads it. */
  readonly kafka?: unknown;
  readonly clickhouse?: {
    readonly url?: string;
    readonly user?: string;
    readonly passwordFile?: string;
    readonly database?: string;
    readonly cluster?: string;
  };
  readonly workers?: number;
  readonly only?: readonly string[];
  /** `<processor>.<parameter>=<value>`, as --set takes them. */
  readonly settings: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

const defaultFile = 'weir.config.json';
const names = ['kafka', 'clickhouse', 'workers', 'only', 'parameters'];
const clickhouseNames = ['url', 'user', 'passwordFile', 'database', 'cluster'];

/** The file that is named, or `weir.config.json` where it exists. @throws CliError `usage` that names the setting */
export async function readConfigFile(path: string | undefined): Promise<ConfigFile> {
  const file = path ?? defaultFile;
  let text: string;
  try {
    // Editors on Windows begin a file with a byte order mark, which JSON.parse refuses.
    text = (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (path === undefined && isMissing) return { settings: [] };
    throw new CliError(
      'usage',
      isMissing ? `--config: there is no file ${file}` : `--config: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  try {
    return parseConfig(JSON.parse(text), file);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    // Its message may quote what is in the file.
    throw new CliError('usage', `${file} is no JSON${placeOf(cause, text)}`, {
      remedies: ['names and texts stand in double quotes; there is no comma after the last one'],
    });
  }
}

/** @throws CliError `usage` */
export function parseConfig(content: unknown, file: string): ConfigFile {
  const problem = (what: string): CliError => new CliError('usage', `${file}: ${what}`);
  if (!isFields(content)) throw problem('it must hold an object');
  requireKnown(file, '', content, names);
  const { kafka, clickhouse, workers, only, parameters } = content;
  if (workers !== undefined && !(Number.isInteger(workers) && Number(workers) >= 1 && Number(workers) <= 64))
    throw problem('workers must be a whole number from 1 to 64');
  if (only !== undefined && !isTexts(only)) throw problem('only must be a list of subsystems or processors');
  return {
    ...(kafka === undefined ? {} : { kafka }),
    ...(clickhouse === undefined ? {} : { clickhouse: clickhouseOf(clickhouse, file, problem) }),
    ...(workers === undefined ? {} : { workers: Number(workers) }),
    ...(only === undefined ? {} : { only }),
    settings: settingsOf(parameters, problem),
  };
}

function clickhouseOf(
  clickhouse: unknown,
  file: string,
  problem: (what: string) => CliError,
): NonNullable<ConfigFile['clickhouse']> {
  if (!isFields(clickhouse)) throw problem('clickhouse must be an object');
  if ('password' in clickhouse)
    throw new CliError('usage', `${file}: clickhouse.password: a password does not belong into settings`, {
      remedies: ['put it into a file and name that in clickhouse.passwordFile'],
    });
  requireKnown(file, 'clickhouse.', clickhouse, clickhouseNames);
  for (const [name, value] of Object.entries(clickhouse))
    if (typeof value !== 'string' || value === '') throw problem(`clickhouse.${name} must be text`);
  return clickhouse;
}

function settingsOf(parameters: unknown, problem: (what: string) => CliError): readonly string[] {
  if (parameters === undefined) return [];
  if (!isFields(parameters)) throw problem('parameters must be an object with one for each processor');
  return Object.entries(parameters).flatMap(([processor, values]) => {
    if (!isFields(values)) throw problem(`parameters.${processor} must be an object`);
    return Object.entries(values).map(([name, value]) => {
      if (!['string', 'number', 'boolean'].includes(typeof value))
        throw problem(`parameters.${processor}.${name} must be a text, a number, true or false`);
      return `${processor}.${name}=${String(value)}`;
    });
  });
}

function requireKnown(file: string, prefix: string, fields: Fields, known: readonly string[]): void {
  for (const name of Object.keys(fields))
    if (!known.includes(name))
      throw unknownName(
        `setting in ${file}`,
        prefix + name,
        known.map((one) => prefix + one),
      );
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== '');

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Where JSON ended to be JSON, as V8 tells it. */
function placeOf({ message }: SyntaxError, text: string): string {
  const position = /position (\d+)/.exec(message)?.[1];
  if (position === undefined) return '';
  return `: line ${text.slice(0, Number(position)).split('\n').length}`;
}
