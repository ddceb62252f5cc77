/** What is told of events that are wrong; those that go to Kafka are in tests/integration/ingest.test.ts. */
import { expect, it } from 'vitest';
import { createClient } from '../client.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import type { ParsedEvent } from './parse-events.ts';
import { publishEvents, type PublishResult } from './publish-events.ts';

/** Nothing is sent: all of them are wrong. */
function refused(problems: readonly string[], count: number): Promise<PublishResult> {
  const client = createClient({ brokers: ['127.0.0.1:1'], source: '/tests' });
  const events = Array.from({ length: count }, (): ParsedEvent => ({ outcome: 'invalid', problems }));
  return publishEvents(client, linkStates, events, { id: undefined, source: '/tests' }, 1_000);
}

it('every problem is told as long as they are few', async () => {
  const { errors, more } = await refused(["field 'a': wrong", 'and 7 more problems'], 100);
  expect(errors).toHaveLength(200);
  expect(errors.slice(-2)).toMatchObject([
    { index: 99, field: 'a', reason: "field 'a': wrong" },
    { index: 99, field: null, reason: 'and 7 more problems' },
  ]);
  expect(more).toBeUndefined();
});

it('where they are many each event is still named, in few words', async () => {
  const long = `field 'a': ${'x'.repeat(1_000)}`;
  const { rejected, errors, more } = await refused(
    Array.from({ length: 21 }, () => long),
    1_000,
  );
  expect(rejected).toBe(1_000);
  expect(new Set(errors.map(({ index }) => index)).size).toBe(1_000);
  expect(errors.length + more!).toBe(21_000);
  expect(errors.length).toBeLessThan(1_200);
  expect(errors.at(-1)).toMatchObject({ index: 999, field: 'a', reason: `${long.slice(0, 80)}...` });
});
