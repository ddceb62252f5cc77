import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

/** What asks for a turn again and again, `count` times, as a batch does that is being filled. */
async function fill(
  turns: Turns,
  startedAtMs: number,
  name: string,
  count: number,
  log: string[],
): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await turns.take(startedAtMs);
    log.push(name);
  }
}

test('the batch that was begun first is filled first, whoever asks first', async () => {
  const turns = new Turns();
  const log: string[] = [];
  await Promise.all([fill(turns, 2, 'b', 3, log), fill(turns, 1, 'a', 3, log), fill(turns, 3, 'c', 2, log)]);
  expect(log.join('')).toBe('aaabbbcc');
});

test('those begun at the same time come in the order of their asking, and none is left waiting', async () => {
  const turns = new Turns();
  const log: string[] = [];
  await Promise.all([fill(turns, 1, 'a', 2, log), fill(turns, 1, 'b', 2, log)]);
  expect(log.join('')).toBe('abab');
  await fill(turns, 0, 'again', 1, log);
  expect(log.at(-1)).toBe('again');
});

test('other work goes on between two turns', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const filling = fill(turns, 1, 'a', 50, log);
  let others = 0;
  while (log.length < 50) {
    await nextTurn();
    others += 1;
  }
  await filling;
  expect(others).toBeGreaterThanOrEqual(25);
});
