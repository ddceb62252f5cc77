import { expect, it } from 'vitest';
import { Outstanding } from './outstanding.ts';

async function isSettled(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), Promise.resolve(false).then((no) => no)]);
}

it('a flush waits for all that came before it, and for nothing after', async () => {
  const outstanding = new Outstanding();
  expect(await isSettled(outstanding.settled())).toBe(true);
  const [a, b] = [outstanding.enter(), outstanding.enter()];
  const first = outstanding.settled();
  const c = outstanding.enter();
  const second = outstanding.settled();
  a();
  expect(await isSettled(first)).toBe(false);
  c();
  expect(await isSettled(second)).toBe(false);
  b();
  expect([await isSettled(first), await isSettled(second)]).toEqual([true, true]);
  outstanding.enter();
  expect(await isSettled(first)).toBe(true);
});
