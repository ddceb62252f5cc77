import { describe, expect, it } from 'vitest';
import type { Stream } from '../topology/stream.ts';
import { persistentPublisher } from './persistent-publisher.ts';
import type { PublishOptions } from './publisher.ts';
import { VirtualClock } from './virtual-clock.ts';

const events: Stream<{ readonly n: number }> = {
  name: 'weir.test.Event',
  schema: { type: 'record', name: 'Event', fields: [] },
  topic: 'test.events',
  kind: 'stream',
  key: { field: 'n', entity: 'number' },
  time: { field: 'n', unit: 'millis' },
  partitions: 1,
  clickhouse: { table: 'test_events', orderBy: ['n'] },
};

/** A publisher over one that refuses the first calls with these errors; `calls` has the times and ids. */
function over(...refusals: readonly Error[]) {
  const clock = new VirtualClock(0);
  const stopping = new AbortController();
  const calls: (readonly [number, string | undefined])[] = [];
  let retries = 0;
  const inner = {
    publish: <T>(_stream: Stream<T>, _event: T, options?: PublishOptions): Promise<void> => {
      calls.push([clock.monotonicMs(), options?.id]);
      const refusal = refusals[calls.length - 1];
      return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
    },
  };
  const publisher = persistentPublisher(inner, { clock, signal: stopping.signal, onRetry: () => retries++ });
  return { clock, stopping, calls, publisher, retries: () => retries };
}

function retryable(message: string): Error {
  return Object.assign(new Error(message), { retryable: true });
}

describe('persistentPublisher', () => {
  it('repeats what was refused for the moment, under the same id, with growing pauses', async () => {
    const { clock, calls, publisher, retries } = over(
      ...Array.from({ length: 8 }, () => retryable('no leader')),
    );
    const accepted = publisher.publish(events, { n: 1 }, { id: 'a' });
    await clock.advance(60_000);
    await accepted;
    expect(calls.map(([atMs]) => atMs)).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 11_300, 16_300]);
    expect(new Set(calls.map(([, id]) => id))).toEqual(new Set(['a']));
    expect(retries()).toBe(8);
  });

  it('hands on a refusal for good at once', async () => {
    const { calls, publisher } = over(new Error('unknown topic'));
    await expect(publisher.publish(events, { n: 1 })).rejects.toThrow('unknown topic');
    expect(calls).toHaveLength(1);
  });

  it('tries a last time when it is stopped during a pause, and then hands on the refusal', async () => {
    const { clock, stopping, calls, publisher } = over(retryable('full'), retryable('still full'));
    const refused = expect(publisher.publish(events, { n: 1 })).rejects.toThrow('still full');
    await clock.advance(10);
    stopping.abort();
    await refused;
    expect(calls).toHaveLength(2);
  });
});
