/** Where dead letters are found: the table in ClickHouse, and on Kafka the marks of what was redriven. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { redrivenOrigins } from '#client/redrive/redriven-marks.ts';
import { EngineError } from '#engine/engine-error.ts';
import { answered } from '#engine/kafka/answered.ts';
import { type KafkaConnection, kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { requireTables } from '#sinks/clickhouse/missing-tables.ts';
import { qualified, tableOf } from '#sinks/clickhouse/tables.ts';
import { weirApp } from '../app.ts';
import { CliError } from '../cli-error.ts';
import type { CliIo } from '../io.ts';
import { findTargets, type TargetOptions } from '../kafka/targets.ts';
import { type Progress, withProgress } from '../present/progress.ts';
import { reachClickHouse } from '../reach-clickhouse.ts';
import { withSignals } from '../signals.ts';
import { unknownName } from '../unknown-name.ts';
import type { FilterOptions } from './letter-filter.ts';
import { letterTopics } from './read-letters.ts';

export interface LetterStore {
  readonly client: ClickHouseClient;
  /** The table of dead letters, qualified. */
  readonly table: string;
  readonly connection: KafkaConnection;
  readonly reader: () => Promise<KafkaReader>;
  /** What was redriven, and when. */
  readonly redriven: () => Promise<ReadonlyMap<string, number>>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** To read what was redriven: hundreds of thousands of marks. */
const marksMs = 30_000;
/** A broker that stands still says no good-bye. */
const closeMs = 1_000;

/** Finds both, and closes what was opened afterwards. */
export function withLetterStore<T>(
  options: TargetOptions,
  io: CliIo,
  use: (store: LetterStore) => Promise<T>,
): Promise<T> {
  return withSignals(io, (signal) =>
    withProgress(io, 'finding Kafka and ClickHouse', async (progress) => {
      const { connection, server, database, cluster } = await findTargets(options, {
        onStep: (step) => {
          progress.update(step);
        },
        onNote: (note) => {
          io.stderr.write(`weir: ${note}\n`);
        },
        signal,
        existingOnly: true,
      });
      const client = openClient(server);
      const table = tableOf(deadLetters, database, cluster);
      let reading: Promise<KafkaReader> | undefined;
      const reader = (): Promise<KafkaReader> =>
        (reading ??= KafkaReader.connect({ kafka: kafkajsConfig(connection), maxWaitMs: 50 }));
      try {
        await reachClickHouse(client, server.url);
        await requireTables(client, [table]);
        return await use({
          client,
          table: qualified(table),
          connection,
          reader,
          redriven: () =>
            answered(marksOf(reader, signal), {
              what: `Kafka at ${connection.brokers.join(',')}`,
              timeoutMs: marksMs,
              signal,
            }),
          progress,
          signal,
        });
      } catch (error) {
        if (signal.aborted && !(error instanceof CliError))
          throw new CliError('interrupted', 'dead-letters: interrupted', { cause: error });
        throw error;
      } finally {
        await client.close();
        const closing = reading?.then(
          (one) => one.close(),
          () => undefined,
        );
        await Promise.race([closing, sleep(closeMs)]);
      }
    }),
  );
}

/** @throws CliError usage, for a topic that is none of the app's and has no letters */
export async function requireTopic(
  { client, table }: LetterStore,
  { topic }: Pick<FilterOptions, 'topic'>,
): Promise<void> {
  if (topic === undefined) return;
  const known = new Set([
    ...weirApp.streams.map((stream) => stream.topic),
    ...(await letterTopics(client, table)),
  ]);
  if (!known.has(topic)) throw unknownName('topic', topic, [...known].sort());
}

/** Before the first redrive there is no topic of marks. */
async function marksOf(
  reader: () => Promise<KafkaReader>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  try {
    return await redrivenOrigins(await reader(), signal);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'unknown-topic') return new Map();
    throw error;
  }
}
