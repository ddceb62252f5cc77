import { describe, expect, it } from 'vitest';
import { encodeMeta, metaKey } from '../task/state-codec.ts';
import type { JournalEntry } from '../records/generated.ts';
import { recordedWindow } from './recorded-window.ts';

const partition = 3;
const inputs = ['a.links', 'a.hosts-table'];

const run = (input: number, offset: number, count: number, of = partition): JournalEntry => ({
  kind: 'records',
  input,
  partition: of,
  offset,
  count,
  wall_ms: 0,
  caught_up: Buffer.alloc(0),
});
const tick: JournalEntry = { ...run(-1, -1, 0, -1), kind: 'tick' };

function state(links: number, ticks: number): { key: Buffer; value: Buffer }[] {
  const clock = { max_event_time_ms: null, last_active_wall_ms: null, idle: false };
  const value = encodeMeta({
    wall_ms: null,
    watermark_ms: null,
    journal_seq: 7,
    ticks,
    partitions: [
      { topic: 'a.links', partition, next_offset: links, ...clock },
      { topic: 'a.hosts-table', partition: 0, next_offset: 40, ...clock },
      { topic: 'a.hosts-table', partition: 1, next_offset: -1, ...clock },
    ],
  });
  return [{ key: metaKey, value }];
}

describe('an output', () => {
  const journal = [tick, run(0, 100, 5), tick, run(0, 107, 3), run(1, 40, 2, 0), run(1, 5, 1, 1)];
  const isIn = recordedWindow({ processor: 'p', partition, state: state(100, 12), journal }, inputs);

  it.each([
    ['a.links/3/99#0', false],
    ['a.links/3/100#0', true],
    ['a.links/3/100#17', true],
    ['a.links/3/109#0', true],
    ['a.links/3/110#0', false],
    // A dead letter's id has no number.
    ['a.links/3/104', true],
    ['a.links/3/110', false],
    ['a.hosts-table/0/39', false],
    ['a.hosts-table/0/41', true],
    ['a.hosts-table/0/42', false],
    ['a.hosts-table/1/5', true],
    ['a.hosts-table/1/6', false],
    ['a.hosts-table/2/0', false],
  ])('of the record %s is of the window: %s', (id, expected) => {
    expect(isIn(id)).toBe(expected);
  });

  it.each([
    ['p/3/vm-1/holdDown@5000/tick-11#0', false],
    ['p/3/vm-1/holdDown@5000/tick-12#0', true],
    ['p/3/vm-1/holdDown@5000/tick-13#4', true],
    ['p/3/vm-1/holdDown@5000/tick-14#0', false],
    ['p/3/vm-1/holdDown@5000/a.links/99#0', false],
    ['p/3/vm-1/holdDown@5000/a.links/109#0', true],
    ['p/3/vm-1/holdDown@5000/a.links/110#0', false],
    // A key may look like anything.
    ['p/3/a.links/3/99/tick-0\n#1/holdDown@5000/tick-12#0', true],
    ['p/3//holdDown@5000/a.links/99#0', false],
  ])('of the timer %j is of the window: %s', (id, expected) => {
    expect(isIn(id)).toBe(expected);
  });

  it('whose id names no cause is of the window: it must not go unseen', () => {
    for (const id of ['', 'any', 'a.links/3/x#0', '#0']) expect(isIn(id)).toBe(true);
  });

  it('is of the window from the first position on where there is no state', () => {
    const fromEmpty = recordedWindow({ processor: 'p', partition, state: [], journal }, inputs);
    expect(['p/3/k/t@1/tick-0#0', 'p/3/k/t@1/tick-1#0', 'p/3/k/t@1/tick-2#0'].map(fromEmpty)).toEqual([
      true,
      true,
      false,
    ]);
    expect(['a.links/3/99#0', 'a.links/3/100#0'].map(fromEmpty)).toEqual([false, true]);
  });

  it('is of no window in which nothing was taken', () => {
    const idle = recordedWindow({ processor: 'p', partition, state: state(100, 12), journal: [] }, inputs);
    expect(['a.links/3/99#0', 'a.links/3/100#0', 'p/3/k/t@1/tick-12#0'].map(idle)).toEqual([
      false,
      false,
      false,
    ]);
  });
});
