/**
 * Which Kafka and which ClickHouse a run works on: those of options, environment or configuration file, in this order; else
 * the local stack, which is started where none runs. `weir record` finds its Kafka by the same order, and starts none.
 *
 * I1  Kafka and ClickHouse are found each by itself: one may be a server elsewhere and the other local.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { connectionFromSettings } from '#engine/kafka/connection-settings.ts';
import { localStack, type LocalStack } from '#local/stack/local-stack.ts';
import { kafkaDirectory } from '#local/stack/state-file.ts';
import type { Cluster } from '#sinks/clickhouse/cluster.ts';
import { CliError } from '../cli-error.ts';
import { clusterOf, serverAddress, type ServerAddress } from '../connection-options.ts';
import { localStackConfig } from '../local/stack-config.ts';
import { startLocalStack } from '../local/start-stack.ts';
import { readConfigFile, type ConfigFile } from './config-file.ts';

export interface TargetOptions {
  /** Of the local stack. */
  readonly data: string;
  readonly config?: string;
  readonly brokers?: string;
  readonly url?: string;
  /** `default` is what it is where nobody says it: then the configuration file counts. */
  readonly user: string;
  readonly passwordFile?: string;
  /** As `user`. */
  readonly database: string;
  readonly cluster?: string;
}

export interface Targets {
  readonly connection: KafkaConnection;
  /** The `kafka` part of the configuration file, for workers to read again. */
  readonly kafkaSettings: unknown;
  /** What workers find their connection in. */
  readonly environment: NodeJS.ProcessEnv;
  readonly server: ServerAddress;
  readonly database: string;
  /** On which the tables are; undefined: on the server alone. */
  readonly cluster: Cluster | undefined;
  /** Whether Kafka is the local stack's. */
  readonly isLocalKafka: boolean;
  /** Whether ClickHouse is the local stack's. */
  readonly isLocalClickHouse: boolean;
}

/** What names a Kafka. */
export interface KafkaNames {
  readonly brokers?: string;
  /** The configuration file. */
  readonly config?: string;
}

interface Steps {
  readonly onStep: (step: string) => void;
  readonly onNote: (note: string) => void;
  readonly signal: AbortSignal;
  /** For who only reads: a local stack that has no data yet is an error, not begun. */
  readonly existingOnly?: boolean;
}

/**
 * Finds both; starts the local stack if one of them is named nowhere.
 *
 * @param config the configuration file, if it has been read
 * @throws CliError `environment` also for `existingOnly`, EngineError `kafka-settings`, LocalError
 */
export async function findTargets(options: TargetOptions, io: Steps, config?: ConfigFile): Promise<Targets> {
  const file = config ?? (await readConfigFile(options.config));
  const environment = environmentWith(options.brokers, process.env);
  const named = await connectionFromSettings(file.kafka, environment);
  const namedServer = await serverOf(options, file);
  const database =
    options.database === 'default' ? (file.clickhouse?.database ?? 'default') : options.database;
  const cluster = clusterOf(options.cluster ?? file.clickhouse?.cluster, namedServer);
  const isLocalKafka = named === undefined;
  const isLocalClickHouse = namedServer === undefined;
  const stack = isLocalKafka || isLocalClickHouse ? await runningStack(options, io) : undefined;
  const found = isLocalKafka ? environmentWith(stack?.kafka.bootstrapServers, environment) : environment;
  const connection = named ?? (await connectionFromSettings(file.kafka, found))!;
  const server = namedServer ?? stack?.clickhouse;
  if (server === undefined)
    throw new CliError('environment', 'the local stack runs without ClickHouse, and no other is named', {
      remedies: ['name one: --url <url>', 'or start the stack with it: weir local stop, weir local start'],
    });
  return {
    connection,
    kafkaSettings: file.kafka,
    environment: found,
    server,
    database,
    cluster,
    isLocalKafka,
    isLocalClickHouse,
  };
}

/** An option goes before the environment. @throws CliError `usage` where it is empty: it must not mean the local stack */
function environmentWith(brokers: string | undefined, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (brokers === '')
    throw new CliError('usage', '--brokers is empty', {
      remedies: ['name host:port of one or more brokers, or leave it out'],
    });
  return brokers === undefined ? environment : { ...environment, WEIR_KAFKA_BROKERS: brokers };
}

/**
 * The Kafka that is there: the one that is named, else that of the local stack that runs on `data`; undefined without both.
 *
 * @throws CliError `usage`, EngineError `kafka-settings`, LocalError where a local stack does not answer
 */
export async function findKafka(
  { brokers, config }: KafkaNames,
  data: string,
  processEnvironment: NodeJS.ProcessEnv,
): Promise<{ readonly connection: KafkaConnection; readonly isLocal: boolean } | undefined> {
  const { kafka } = await readConfigFile(config);
  const environment = environmentWith(brokers, processEnvironment);
  const named = await connectionFromSettings(kafka, environment);
  if (named !== undefined) return { connection: named, isLocal: false };
  const stack = await localStack(resolve(data));
  if (stack === undefined) return undefined;
  const local = environmentWith(stack.kafka.bootstrapServers, environment);
  return { connection: (await connectionFromSettings(kafka, local))!, isLocal: true };
}

function serverOf(options: TargetOptions, { clickhouse }: ConfigFile): Promise<ServerAddress | undefined> {
  const { data } = options;
  const url = options.url ?? clickhouse?.url;
  const passwordFile = options.passwordFile ?? clickhouse?.passwordFile;
  return serverAddress({
    data,
    database: '',
    user: options.user === 'default' ? (clickhouse?.user ?? 'default') : options.user,
    ...(url === undefined ? {} : { url }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
  });
}

async function runningStack({ data }: TargetOptions, io: Steps): Promise<LocalStack> {
  const running = await localStack(resolve(data));
  if (running !== undefined) return running;
  if (io.existingOnly === true && !existsSync(kafkaDirectory(resolve(data))))
    throw new CliError(
      'environment',
      `no Kafka or ClickHouse is named, and there is no local stack in ${data}`,
      {
        remedies: [
          'name them: --brokers <host:port,...> --url <url>, the environment (WEIR_KAFKA_BROKERS), or weir.config.json',
          'or the local stack: --data <directory>',
        ],
      },
    );
  io.onNote(
    `no Kafka or ClickHouse is named and none runs on ${data}: starting them, as weir local start does`,
  );
  const config = localStackConfig({ data, clickhouse: true, kafkaRuntime: 'auto' });
  const stack = await startLocalStack(config, io);
  io.onNote(
    `Kafka: ${stack.kafka.bootstrapServers}, ClickHouse: ${stack.clickhouse?.url ?? 'none'}; they go on until weir local stop --data ${data}`,
  );
  return stack;
}
