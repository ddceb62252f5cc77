/** The sink on Kafka when the way to ClickHouse fails: connections cut anywhere, one table's inserts refused or never answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../integration/embedded-clickhouse.fixture.ts';
import { type Fault, pass } from '../integration/faulty-clickhouse.fixture.ts';
import { expectEachLetterOnce, refuseSome, startLoad } from '../integration/kafka-sink.fixture.ts';
import { faultScenesForFile } from './kafka-sink-faults.fixture.ts';

const sceneOf = faultScenesForFile();

describe('connections to ClickHouse', () => {
  it('may be cut before, in and after any request, again and again', async (context) => {
    const { scene, proxy, start } = await sceneOf(context, 4, 2);
    await refuseSome(scene);
    const cut = { 'cut-answer': 0, 'cut-request': 0 };
    const once = (kind: keyof typeof cut): Fault => {
      cut[kind] += 1;
      return { kind };
    };
    await start();
    proxy.decide = () => {
      const random = Math.random();
      return random < 0.25 ? once('cut-answer') : random < 0.4 ? once('cut-request') : pass;
    };
    const load = startLoad(scene, 20);
    // ClickHouse has taken so many inserts twice, and kept one.
    const repeated = (): number => proxy.taken.length - new Set(proxy.taken).size;
    await until(() => cut['cut-answer'] >= 50 && cut['cut-request'] >= 30 && repeated() >= 10, 150_000);
    await load.stop();
    // Still cut while it catches up.
    await scene.expectExactlyOnce();
    await expectEachLetterOnce(scene);
  }, 480_000);
});

describe('a table whose inserts fail', () => {
  const [initialMs, maxMs] = [50, 10_000];
  const refused: Fault = {
    kind: 'answer',
    code: 241,
    name: 'MEMORY_LIMIT_EXCEEDED',
    message: 'Memory limit (total) exceeded: would use 9.31 GiB, maximum: 9.00 GiB',
  };

  it.for<readonly [string, Fault]>([
    ['are refused', refused],
    ['are never answered', { kind: 'hang' }],
  ])('waits, and the others go on: they %s', async ([, fault], context) => {
    const { scene, proxy, start, tableOf } = await sceneOf(context, 6, 2);
    let tries = 0;
    proxy.decide = ({ insertInto }) => {
      if (insertInto !== tableOf(0)) return pass;
      tries += 1;
      return fault;
    };
    const startedAtMs = performance.now();
    const sink = await start({ limits: { retry: { initialMs, maxMs } } });
    const load = startLoad(scene, 20);
    const goOn = async (): Promise<void> => {
      const rowsOf = async (): Promise<number> => (await sink.stats())[1]!.rows;
      await until(async () => (await rowsOf()) > 0);
      for (let i = 0; i < 8; i += 1) {
        const before = await rowsOf();
        await until(async () => (await rowsOf()) > before);
        await sleep(300);
      }
    };
    await goOn();
    expect((await sink.stats())[0]).toMatchObject({ rows: 0, deadLetters: 0 });
    await until(() => tries >= 4);
    // Of each of the six partitions: pauses double from half of the first to half of the longest.
    const forMs = performance.now() - startedAtMs;
    expect(tries).toBeLessThanOrEqual(6 * (1 + Math.log2(1 + forMs / (initialMs / 2)) + forMs / (maxMs / 2)));
    // Requests that nobody answers are given up when the connection goes.
    proxy.decide = () => pass;
    if (fault.kind === 'hang') {
      await proxy.refuse();
      await proxy.listen();
    }
    await load.stop();
    await scene.expectExactlyOnce();
  });
});
