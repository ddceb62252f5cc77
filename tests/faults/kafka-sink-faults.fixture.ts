/** A sink on a real Kafka whose way to a real ClickHouse leads through a proxy with faults. */
import { afterAll, afterEach, beforeAll, type TestContext } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import type { KafkaSink, KafkaSinkConfig } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { startTestServer, type TestServer } from '../integration/embedded-clickhouse.fixture.ts';
import { type FaultyClickHouse, startFaultyClickHouse } from '../integration/faulty-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import {
  eventTimeMs,
  openScene,
  type SinkScene,
  type Thing,
  thingsOf,
} from '../integration/kafka-sink.fixture.ts';

export interface FaultScene {
  readonly scene: SinkScene;
  readonly proxy: FaultyClickHouse;
  /** Starts a sink that reaches ClickHouse through the proxy. */
  readonly start: (config?: Partial<KafkaSinkConfig>) => Promise<KafkaSink>;
  /** The table of the i-th stream. */
  readonly tableOf: (i: number) => string;
  /** Ends sinks and proxy. */
  readonly close: () => Promise<void>;
}

/** Repeats soon, so that many faults fit into a short test. */
export const quickRetry = { initialMs: 5, maxMs: 100 };

/** @param url of ClickHouse itself */
export async function openFaultScene(
  kafka: LocalKafka,
  url: string,
  partitions: readonly number[],
): Promise<FaultScene> {
  const scene = await openScene(kafka, url, partitions);
  const proxy = await startFaultyClickHouse(Number(new URL(url).port));
  const client = openClient({ url: proxy.url });
  return {
    scene,
    proxy,
    start: ({ limits, ...config } = {}) =>
      scene.start({ client, limits: { retry: quickRetry, ...limits }, ...config }),
    tableOf: (i) => scene.streams[i]!.clickhouse.table,
    close: async () => {
      await scene.close();
      await client.close();
      await proxy.close();
    },
  };
}

/** Kafka and ClickHouse for the tests of the calling file; what it returns opens a scene on them, which is closed after its test. */
export function faultScenesForFile(): (context: TestContext, ...partitions: number[]) => Promise<FaultScene> {
  const local = kafkaForFile();
  let clickHouse: TestServer;
  beforeAll(async () => {
    clickHouse = await startTestServer();
  });
  afterAll(async () => {
    await clickHouse.close();
  });
  const open: FaultScene[] = [];
  afterEach(async () => {
    for (const scene of open.splice(0)) await scene.close();
  });
  return async (context, ...partitions) => {
    const scene = await openFaultScene(local.of(context), clickHouse.server.url, partitions);
    open.push(scene);
    return scene;
  };
}

const codec = eventCodec(thingsOf('any', 1), new WriterSchemas());

/** A record's value. */
export const thing = (event: Partial<Thing>): Buffer =>
  codec.encode({ id: 'thing', at: eventTimeMs, count: 0, ...event });
