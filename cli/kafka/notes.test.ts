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
