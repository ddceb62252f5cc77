/** The three ways from the topic into a table: Weir's sink, ClickHouse's own engine, and a pipeline written by hand. */
import { fileURLToPath } from 'node:url';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
import { qualified, type Table } from '#sinks/clickhouse/tables.ts';
import { Contender } from '../kafka/contender.ts';
import type { Usage } from '../kafka/process-usage.ts';
import type { BenchEngine } from './bench-engine.ts';
import { kafkaEngineDdl } from './kafka-engine-ddl.ts';

/** What all of them are given. */
export interface Scene {
  readonly engine: BenchEngine;
  readonly bootstrapServers: string;
  readonly registryUrl: string;
  /** The table to fill, empty; it stands alone in its database. */
  readonly table: Table;
  /** Names the consumer group of the run. */
  readonly app: string;
  /** After so long rows are inserted though they are few. */
  readonly flushMs: number;
}

/** One that runs. */
export interface Running {
  /** Its consumer group. */
  readonly group: string;
  /** Of its own process; undefined where it has none but ClickHouse's. */
  usage(): Usage | undefined;
  /** Throws what it ended with, if it has. */
  check(): void;
  stop(): Promise<void>;
}

export interface Entrant {
  readonly name: string;
  start(scene: Scene): Promise<Running>;
}

/** How ClickHouse's engine is set up. */
export interface KafkaEngineSetting {
  readonly consumers: number;
  readonly maxBlockRows: number;
}

function processEntrant(
  name: string,
  script: string,
  group: (app: string) => string,
  options: (scene: Scene) => Readonly<Record<string, string>>,
): Entrant {
  return {
    name,
    start: (scene) => {
      const path = fileURLToPath(new URL(`./${script}`, import.meta.url));
      const args = Object.entries(options(scene)).map(([option, value]) => `--${option}=${value}`);
      const contender = Contender.start({ name, command: process.execPath, args: [path, ...args] });
      return Promise.resolve({
        group: group(scene.app),
        usage: () => contender.usage(),
        check: () => {
          contender.check();
        },
        stop: async () => {
          await contender.stop();
        },
      });
    },
  };
}

export const weir = processEntrant('Weir', 'weir-sink.js', sinkGroup, (scene) => ({
  bootstrap: scene.bootstrapServers,
  url: scene.engine.url,
  database: scene.table.database,
  app: scene.app,
  'flush-ms': String(scene.flushMs),
}));

export const handWritten = processEntrant(
  'kafkajs, JSONEachRow',
  'hand-written.js',
  (app) => app,
  (scene) => ({
    bootstrap: scene.bootstrapServers,
    url: scene.engine.url,
    table: qualified(scene.table),
    topic: scene.table.stream.topic,
    group: scene.app,
    registry: scene.registryUrl,
    'flush-ms': String(scene.flushMs),
  }),
);

/**
 * At its best settings (docs/benchmarks.md has what was tried): flushed as often as the others where no block is full, without the
 * pause of half a second between blocks, and with plain strings.
 */
export function kafkaEngine({ consumers, maxBlockRows }: KafkaEngineSetting): Entrant {
  return {
    name: `ClickHouse's engine, ${consumers} ${consumers === 1 ? 'consumer' : 'consumers'}`,
    start: async ({ engine, bootstrapServers, registryUrl, table, app, flushMs }) => {
      const ddl = kafkaEngineDdl(table, {
        brokers: bootstrapServers,
        topic: table.stream.topic,
        group: app,
        registryUrl,
        plainStrings: true,
        settings: {
          kafka_num_consumers: consumers,
          kafka_thread_per_consumer: consumers === 1 ? 0 : 1,
          kafka_max_block_size: maxBlockRows,
          kafka_poll_max_batch_size: maxBlockRows,
          kafka_flush_interval_ms: flushMs,
          kafka_consumer_reschedule_ms: 10,
        },
      });
      await engine.run(ddl.createQueue, ddl.createView);
      return {
        group: app,
        usage: () => undefined,
        check: () => undefined,
        stop: () => engine.run(...ddl.drop),
      };
    },
  };
}
