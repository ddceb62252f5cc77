/** What a local stack is started with: options of `weir local start`, which its supervisor is given again. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { RuntimeChoice } from '#local/kafka/choose-runtime.ts';
import { CliError } from '../cli-error.ts';
import { localDataDir } from '../connection-options.ts';

export interface LocalStackConfig {
  /** Absolute. */
  readonly dataDir: string;
  /** undefined: as many as the data directory has, else one. */
  readonly brokers: 1 | 3 | undefined;
  /** Of the first broker, the others follow; 0: free ones; undefined: the usual ones if they are free. */
  readonly kafkaPort: number | undefined;
  /** 0: a free one; undefined: the usual one if it is free. */
  readonly clickhousePort: number | undefined;
  /** Whether ClickHouse is part of it. */
  readonly clickhouse: boolean;
  readonly runtime: RuntimeChoice;
}

export interface LocalCliOptions {
  readonly data: string;
  readonly brokers?: '1' | '3';
  readonly kafkaPort?: string;
  readonly clickhousePort?: string;
  readonly clickhouse: boolean;
  readonly kafkaRuntime: RuntimeChoice;
}

export function addDataOption(command: Command): Command {
  return command.option('--data <directory>', 'where Kafka and ClickHouse keep their data', localDataDir);
}

export function addLocalOptions(command: Command): Command {
  return addDataOption(command)
    .addOption(new Option('--brokers <number>', "Kafka's brokers: 1 or 3").choices(['1', '3']))
    .option(
      '--kafka-port <number>',
      "the first broker's port; 0 takes a free one (default: 9092 if it is free)",
    )
    .option(
      '--clickhouse-port <number>',
      'port of ClickHouse; 0 takes a free one (default: 8123 if it is free)',
    )
    .option('--no-clickhouse', 'Kafka alone')
    .addOption(
      new Option('--kafka-runtime <name>', 'what runs Kafka: Docker where it can, else Java')
        .choices(['auto', 'docker', 'java'])
        .default('auto'),
    );
}

function portOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new CliError('usage', `${option}: '${text}' is no port (0 to 65535)`);
}

/** The configuration that options give. Throws usage errors that name the option. */
export function localStackConfig(options: LocalCliOptions): LocalStackConfig {
  const kafkaPort = portOf(options.kafkaPort, '--kafka-port');
  if (options.brokers === '3' && kafkaPort !== undefined && kafkaPort > 65_533)
    throw new CliError('usage', `--kafka-port: three brokers need ports up to ${kafkaPort + 2}`);
  return {
    dataDir: resolve(options.data),
    brokers: options.brokers === undefined ? undefined : options.brokers === '1' ? 1 : 3,
    kafkaPort,
    clickhousePort: portOf(options.clickhousePort, '--clickhouse-port'),
    clickhouse: options.clickhouse,
    runtime: options.kafkaRuntime,
  };
}

/** The options that give this configuration. */
export function optionsOf(config: LocalStackConfig): string[] {
  const { dataDir, brokers, kafkaPort, clickhousePort, clickhouse, runtime } = config;
  return [
    ...['--data', dataDir, '--kafka-runtime', runtime],
    ...(brokers === undefined ? [] : ['--brokers', String(brokers)]),
    ...(kafkaPort === undefined ? [] : ['--kafka-port', String(kafkaPort)]),
    ...(clickhousePort === undefined ? [] : ['--clickhouse-port', String(clickhousePort)]),
    ...(clickhouse ? [] : ['--no-clickhouse']),
  ];
}
