import { describe, expect, test } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { headerText } from '../task/cloud-events.ts';
import { readingStream, type Reading } from '../task/readings.fixture.ts';
import { EmbeddedEdge } from './embedded-edge.ts';

const spread = readingStream('test.spread', 'stream', 4);

function made(maxBytes = 1e9): {
  log: MemoryLog;
  edge: EmbeddedEdge;
  other: EmbeddedEdge;
  failures: [string, string][];
} {
  const log = new MemoryLog({ maxBytes });
  log.createTopic(spread.topic, spread.partitions);
  const writers = new WriterSchemas();
  const failures: [string, string][] = [];
  const note = (place: string, error: unknown): void => {
    failures.push([place, error instanceof Error ? error.message : String(error)]);
  };
  return {
    log,
    edge: new EmbeddedEdge(log, writers, note),
    other: new EmbeddedEdge(log, writers, note),
    failures,
  };
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('subscribing', () => {
  test('every subscriber gets every event, those of a key in their order, one at a time', async () => {
    const { log, edge, other } = made();
    const seen: Reading[][] = [[], []];
    const busy = new Set<string>();
    const subscriptions = await Promise.all(
      [edge, other].map((one, i) =>
        one.subscribe(spread, async (event) => {
          const lane = `${i} ${event.id}`;
          expect(busy.has(lane)).toBe(false);
          busy.add(lane);
          await new Promise((resolve) => setImmediate(resolve));
          busy.delete(lane);
          seen[i]!.push(event);
        }),
      ),
    );
    for (let n = 0; n < 60; n += 1) await edge.publish(spread, { id: `k${n % 6}`, at: n, n });
    while (seen.some((events) => events.length < 60)) await settled();
    for (const events of seen) {
      for (let k = 0; k < 6; k += 1) {
        const ofKey = events.filter(({ id }) => id === `k${k}`).map(({ n }) => n);
        expect(ofKey).toEqual(Array.from({ length: 10 }, (_, i) => k + 6 * i));
      }
    }
    await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    expect(log.heldBytes).toBe(0);
  });

  test('stopping waits for the handler that is under way, and nothing is delivered afterwards', async () => {
    const { edge, log } = made();
    let release: () => void = () => undefined;
    const seen: number[] = [];
    const subscription = await edge.subscribe(spread, async ({ n }) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      seen.push(n);
    });
    await edge.publish(spread, { id: 'a', at: 1, n: 1 });
    await edge.publish(spread, { id: 'a', at: 2, n: 2 });
    await settled();
    let isStopped = false;
    const stopping = subscription.stop().then(() => {
      isStopped = true;
    });
    await settled();
    expect(isStopped).toBe(false);
    release();
    await stopping;
    await edge.publish(spread, { id: 'a', at: 3, n: 3 });
    await settled();
    expect(seen).toEqual([1]);
    expect(log.heldBytes).toBe(0);
  });

  test('what cannot be read and a handler that fails are reported with their place, and the next event goes on', async () => {
    const { log, edge, failures } = made();
    const seen: number[] = [];
    const subscription = await edge.subscribe(spread, ({ n }) => {
      if (n === 2) throw new Error('no such device');
      seen.push(n);
    });
    const garbage = { topic: spread.topic, key: null, timestampMs: 0, headers: {}, partition: 1 };
    log.append([
      { ...garbage, value: Buffer.from('garbage') },
      { ...garbage, value: null },
    ]);
    for (const n of [1, 2, 3]) await edge.publish(spread, { id: 'a', at: n, n });
    await settled();
    expect(seen).toEqual([1, 3]);
    expect(failures.map(([place]) => place)).toEqual([
      'test.spread/1/0',
      expect.stringMatching(/^test\.spread\/\d\/\d$/),
    ]);
    expect(failures[1]?.[1]).toBe('no such device');
    await subscription.stop();
  });

  test('a closed log ends the subscriptions', async () => {
    const { log, edge } = made();
    const subscription = await edge.subscribe(spread, () => undefined);
    log.close();
    await subscription.stop();
  });
});

describe('publishing', () => {
  const identities = (log: MemoryLog): string[] => {
    const found: string[] = [];
    for (let p = 0; p < 4; p += 1) {
      for (const { headers } of log.read(spread.topic, p, 0, 99))
        found.push(`${headerText(headers, 'ce_source') ?? ''} ${headerText(headers, 'ce_id') ?? ''}`);
    }
    return found;
  };

  test('ids are unique over edges and runs unless given; given ones stay', async () => {
    const { log, edge, other } = made();
    log.subscribe('watcher', spread.topic);
    for (let n = 0; n < 5; n += 1) {
      for (const one of [edge, other])
        await one.publish(spread, { id: 'a', at: n, n }, { source: '/agents/x' });
    }
    expect(new Set(identities(log)).size).toBe(10);
    for (let i = 0; i < 2; i += 1)
      await edge.publish(spread, { id: 'a', at: 1, n: 1 }, { source: '/agents/x', id: '7' });
    expect(identities(log).filter((id) => id === '/agents/x 7').length).toBe(2);
    expect([edge.published, other.published]).toEqual([7, 5]);
  });

  test('an event that does not fit its schema is refused and not counted', async () => {
    const { edge, log } = made();
    log.subscribe('watcher', spread.topic);
    await expect(edge.publish(spread, { id: 'a', at: 1, n: 1.5 })).rejects.toThrow(/n/);
    log.close();
    await expect(edge.publish(spread, { id: 'a', at: 1, n: 1 })).rejects.toMatchObject({
      code: 'log-closed',
    });
    expect(edge.published).toBe(0);
  });

  test('publishing waits while the log has no room; a slow subscriber is what makes it wait', async () => {
    const { edge } = made(2_000);
    const seen: number[] = [];
    const releases: (() => void)[] = [];
    const subscription = await edge.subscribe(spread, async ({ n }) => {
      await new Promise<void>((resolve) => releases.push(resolve));
      seen.push(n);
    });
    let published = 0;
    const publishing = (async () => {
      for (let n = 0; n < 20; n += 1) {
        await edge.publish(spread, { id: 'a', at: n, n });
        published += 1;
      }
    })();
    await settled();
    expect(published).toBeLessThan(8);
    while (seen.length < 20) {
      releases.splice(0).forEach((release) => {
        release();
      });
      await settled();
    }
    await publishing;
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
    await subscription.stop();
  });
});

test('a subscriber that answers in its handler does not wait for the room that its own unheard events take', async () => {
  const { log, edge } = made(4_000);
  const answers = readingStream('test.answers');
  log.createTopic(answers.topic, 1);
  log.subscribe('reader', answers.topic);
  const subscription = await edge.subscribe(spread, (event) =>
    edge.publish(answers, { ...event, n: -event.n }),
  );
  const codec = eventCodec(spread, new WriterSchemas());
  log.append(
    Array.from({ length: 30 }, (_, n) => ({
      topic: spread.topic,
      key: Buffer.from(`k${n}`),
      value: codec.encode({ id: `k${n}`, at: 1_000, n }),
      timestampMs: 1_000,
      headers: {},
    })),
  );
  for (let i = 0; i < 50 && log.endOffset(answers.topic, 0) < 30; i += 1) await settled();
  expect(log.endOffset(answers.topic, 0)).toBe(30);
  await subscription.stop();
});
