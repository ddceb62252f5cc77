import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import type { ClientError } from './client-error.ts';
import { createClient } from './client.ts';
import { event } from './event.fixture.ts';
import { callAfter } from './timer.ts';

it.each([
  [1, true],
  [2 ** 31, false],
  [Number.MAX_SAFE_INTEGER, false],
  [Infinity, false],
])('a limit of %d ms is over within 50 ms: %s', async (timeoutMs, isOver) => {
  let wasCalled = false;
  const undo = callAfter(timeoutMs, () => {
    wasCalled = true;
  });
  await sleep(50);
  undo();
  expect(wasCalled).toBe(isOver);
});

it('a client flushes and closes without a limit where that is infinite', async () => {
  const client = createClient({ brokers: ['127.0.0.1:1'], source: '/tests', deliveryTimeoutMs: 200 });
  const outcome = client.publish(linkStates, event).then(
    () => 'written',
    (error: unknown) => (error as ClientError).code,
  );
  await client.flush(Infinity);
  await client.close(Infinity);
  expect(await outcome).toBe('not-delivered');
});
