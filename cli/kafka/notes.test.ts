import { expect, it } from 'vitest';
import type { LogEntry } from '../operations/logger.ts';
import { startNotes, type Notes } from './notes.ts';

function scene(): { readonly notes: Notes; readonly printed: string[]; pass: (ms: number) => void } {
  let nowMs = 1_000;
  const printed: string[] = [];
  const notes = startNotes(
    ({ message }) => printed.push(message),
    () => nowMs,
  );
  return { notes, printed, pass: (ms) => void (nowMs += ms) };
}

const entry = (code: string, message: string): LogEntry => ({
  level: 'warn',
  component: 'engine',
  code,
  message,
});

it('tells what matters at once, and its repeats every 10 s with their number', () => {
  const { notes, printed, pass } = scene();
  for (let i = 0; i < 21; i += 1) {
    notes.tell(entry('died', 'a worker died'));
    pass(500);
  }
  notes.tell(entry('other', 'something else'));
  expect(printed).toEqual(['a worker died', 'a worker died (and 19 more of the kind)', 'something else']);
});

it('tells trouble that is over within 5 s to nobody', () => {
  const { notes, printed, pass } = scene();
  for (let i = 0; i < 9; i += 1) {
    notes.trouble(entry('unreachable', 'no broker answers'));
    pass(500);
  }
  pass(60_000);
  notes.look();
  expect(printed).toEqual([]);
  notes.trouble(entry('unreachable', 'no broker answers'));
  expect(printed).toEqual([]);
});

it('tells an outage of two minutes when it has begun, each minute, and when it is over', () => {
  const { notes, printed, pass } = scene();
  for (let i = 0; i < 120; i += 1) {
    notes.trouble(entry('unreachable', `attempt ${i}`));
    notes.look();
    pass(1_000);
  }
  pass(15_000);
  notes.look();
  notes.look();
  expect(printed).toEqual([
    'attempt 5 (for 5 s; it is tried again and again)',
    'attempt 65 (for 65 s; it is tried again and again)',
    'over after 119 s: attempt 0',
  ]);
});

it('tells what says each time something of its own every time: the statements that fill the targets of views', () => {
  const { notes, printed } = scene();
  for (let i = 0; i < 3; i += 1) notes.tell(entry('views-in-doubt', `INSERT ${i}`));
  expect(printed).toEqual(['INSERT 0', 'INSERT 1', 'INSERT 2']);
});

it('tells beside each other what concerns one place alone', () => {
  const { notes, printed, pass } = scene();
  for (const table of ['a', 'b', 'a'])
    notes.tell(entry('clickhouse-transient', `too many parts in ${table}`), table);
  expect(printed).toEqual(['too many parts in a', 'too many parts in b']);
  for (let i = 0; i < 2; i += 1) {
    for (const table of ['a', 'b']) notes.trouble(entry('waits', `no replica has ${table}`), table);
    pass(6_000);
  }
  expect(printed.slice(2)).toEqual([
    'no replica has a (for 6 s; it is tried again and again)',
    'no replica has b (for 6 s; it is tried again and again)',
  ]);
});

it('tells at the end what it had left out', () => {
  const { notes, printed } = scene();
  for (let i = 0; i < 3; i += 1) notes.tell(entry('died', `worker ${i} died`));
  notes.tell(entry('other', 'something else'));
  notes.close();
  notes.close();
  expect(printed).toEqual(['worker 0 died', 'something else', 'worker 2 died (and 1 more of the kind)']);
});
