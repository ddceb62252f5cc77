/**
 * Which Kafka and which ClickHouse a run works on: those of options, environment or configuration file, in this order; else
 * the local stack, which is started where none runs.
 *
 * I1  Secrets come from files and the environment: a configuration file that holds one is refused.
 * I2  Kafka and ClickHouse are found each by itself: one may be a server elsewhere and the other local.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { connectionFromSettings } from '#engine/kafka/connection-settings.ts';
import { localStack, type LocalStack } from '#local/stack/local-stack.ts';
import { CliError } from '../cli-error.ts';
import { serverAddress, type ServerAddress } from '../connection-options.ts';
import { localStackConfig } from '../local/stack-config.ts';
import { startLocalStack } from '../local/start-stack.ts';
import { unknownName } from '../unknown-name.ts';

export interface TargetOptions {
  /** Of the local stack. */
  readonly data: string;
  readonly config?: string;
  readonly brokers?: string;
  readonly url?: string;
  readonly user: string;
  readonly passwordFile?: string;
  readonly database: string;
}

export interface Targets {
  readonly connection: KafkaConnection;
  /** The `kafka` part of the configuration file, for workers to read again. */
  readonly kafkaSettings: unknown;
  /** What workers find their connection in. */
  readonly environment: NodeJS.ProcessEnv;
  readonly server: ServerAddress;
  readonly database: string;
  /** Whether Kafka is the local stack's. */
  readonly isLocalKafka: boolean;
  /** Whether ClickHouse is the local stack's. */
  readonly isLocalClickHouse: boolean;
}

export interface ConfigFile {
  readonly kafka?: unknown;
  readonly clickhouse?: {
    readonly url?: string;
    readonly user?: string;
    readonly passwordFile?: string;
    readonly database?: string;
  };
}

const defaultConfigFile = 'weir.config.json';
const known = { file: ['kafka', 'clickhouse'], clickhouse: ['url', 'user', 'passwordFile', 'database'] };

/** The configuration file: the one that is named, or `weir.config.json` where it exists. @throws CliError that names the setting */
export async function readConfigFile(path: string | undefined): Promise<ConfigFile> {
  const name = path ?? defaultConfigFile;
  let text: string;
  try {
    text = await readFile(name, 'utf8');
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (path === undefined && isMissing) return {};
    throw new CliError('usage', `--config: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new CliError(
      'usage',
      `${name} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (!isRecord(content)) throw new CliError('usage', `${name} must hold an object`);
  requireKnown(name, '', content, known.file);
  const { clickhouse } = content;
  if (clickhouse === undefined) return content;
  if (!isRecord(clickhouse)) throw new CliError('usage', `${name}: clickhouse must be an object`);
  if ('password' in clickhouse)
    throw new CliError('usage', `${name}: clickhouse.password: a password does not belong into settings`, {
      remedies: ['put it into a file and name that in clickhouse.passwordFile'],
    });
  requireKnown(name, 'clickhouse.', clickhouse, known.clickhouse);
  for (const [field, value] of Object.entries(clickhouse))
    if (typeof value !== 'string') throw new CliError('usage', `${name}: clickhouse.${field} must be text`);
  return content;
}

function requireKnown(file: string, prefix: string, content: object, names: readonly string[]): void {
  for (const name of Object.keys(content))
    if (!names.includes(name))
      throw unknownName(
        `setting in ${file}`,
        prefix + name,
        names.map((one) => prefix + one),
      );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Finds both; starts the local stack if one of them is named nowhere. @throws CliError, EngineError `kafka-settings`, LocalError */
export async function findTargets(
  options: TargetOptions,
  io: {
    readonly onStep: (step: string) => void;
    readonly onNote: (note: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<Targets> {
  const file = await readConfigFile(options.config);
  const environment = {
    ...process.env,
    ...(options.brokers === undefined ? {} : { WEIR_KAFKA_BROKERS: options.brokers }),
  };
  const named = await connectionFromSettings(file.kafka, environment);
  const namedServer = await serverOf(options, file);
  const database =
    options.database === 'default' ? (file.clickhouse?.database ?? 'default') : options.database;
  const isLocalKafka = named === undefined;
  const isLocalClickHouse = namedServer === undefined;
  const stack = isLocalKafka || isLocalClickHouse ? await runningStack(options, io) : undefined;
  if (stack !== undefined && isLocalKafka) environment.WEIR_KAFKA_BROKERS = stack.kafka.bootstrapServers;
  const connection = named ?? (await connectionFromSettings(file.kafka, environment))!;
  const server = namedServer ?? stack?.clickhouse;
  if (server === undefined)
    throw new CliError('environment', 'the local stack runs without ClickHouse, and no other is named', {
      remedies: ['name one: --url <url>', 'or start the stack with it: weir local stop, weir local start'],
    });
  return {
    connection,
    kafkaSettings: file.kafka,
    environment,
    server,
    database,
    isLocalKafka,
    isLocalClickHouse,
  };
}

function serverOf(options: TargetOptions, { clickhouse }: ConfigFile): Promise<ServerAddress | undefined> {
  const { data, database } = options;
  const url = options.url ?? clickhouse?.url;
  const passwordFile = options.passwordFile ?? clickhouse?.passwordFile;
  return serverAddress({
    data,
    database,
    user: options.user === 'default' ? (clickhouse?.user ?? 'default') : options.user,
    ...(url === undefined ? {} : { url }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
  });
}

async function runningStack(
  { data }: TargetOptions,
  io: {
    readonly onStep: (step: string) => void;
    readonly onNote: (note: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<LocalStack> {
  const running = await localStack(resolve(data));
  if (running !== undefined) return running;
  io.onNote(
    `no Kafka or ClickHouse is named and none runs on ${data}: starting them, as weir local start does`,
  );
  const config = localStackConfig({ data, clickhouse: true, kafkaRuntime: 'auto' });
  const stack = await startLocalStack(config, io);
  io.onNote(
    `Kafka: ${stack.kafka.bootstrapServers}, ClickHouse: ${stack.clickhouse?.url ?? 'none'}; they go on until weir local stop`,
  );
  return stack;
}
