import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogEntry, type LoggerConfig } from './logger.ts';

function logging(config: Partial<LoggerConfig> = {}) {
  let nowMs = 0;
  let written = '';
  const logger = createLogger({
    format: 'json',
    level: 'debug',
    nowMs: () => nowMs,
    ...config,
    write: (lines) => {
      written += lines;
    },
  });
  return {
    log: (one: LogEntry): void => {
      logger.log(one);
    },
    close: (): void => {
      logger.close();
    },
    at: (ms: number): void => {
      nowMs = ms;
    },
    text: () => written,
    lines: () => written.split('\n').slice(0, -1),
    objects: () =>
      written
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const entry = (parts: Partial<LogEntry> = {}): LogEntry => ({
  level: 'warn',
  message: 'm',
  component: 'c',
  ...parts,
});

describe('a log as JSON', () => {
  it('is one object a line', () => {
    const { log, objects } = logging();
    log(entry({ task: 'p-1', topic: 'a.t', partition: 3, offset: 7, code: 'fenced', worker: 2 }));
    log(entry({ level: 'info' }));
    expect(objects()).toEqual([
      {
        time: '1970-01-01T00:00:00.000Z',
        level: 'warn',
        message: 'm',
        component: 'c',
        task: 'p-1',
        topic: 'a.t',
        partition: 3,
        offset: 7,
        code: 'fenced',
        worker: 2,
      },
      { time: '1970-01-01T00:00:00.000Z', level: 'info', message: 'm', component: 'c' },
    ]);
  });

  it('is one object a line whatever the message', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (message) => {
        const { log, objects } = logging();
        log(entry({ message }));
        expect(objects()).toHaveLength(1);
      }),
    );
  });
});

describe('a log for people', () => {
  it.each<[string, Partial<LogEntry>, string]>([
    ['as other notes', {}, 'weir: m\n'],
    ['with its place', { worker: 1, task: 'p-1' }, 'weir: worker 1, task p-1: m\n'],
    ['with no place twice', { task: 'p-1', message: 'task p-1: broke' }, 'weir: task p-1: broke\n'],
    ['with what is severe', { level: 'error' }, 'weir: error: m\n'],
    ['over several lines', { message: 'a\nb' }, 'weir: a\n  b\n'],
  ])('is written %s', (_, parts, text) => {
    const one = logging({ format: 'text' });
    one.log(entry(parts));
    expect(one.text()).toBe(text);
  });
});

describe('any log', () => {
  it('leaves out what is below its level', () => {
    const { log, objects } = logging({ level: 'warn' });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log(entry({ level }));
    expect(objects().map(({ level }) => level)).toEqual(['warn', 'error']);
  });

  it('tells the same trouble once in 10 s, and then how often it was left out', () => {
    const { log, at, objects } = logging();
    const one = entry({ code: 'kafka-unreachable', task: 'p-1' });
    for (const ms of [0, 100, 9_999]) {
      at(ms);
      log(one);
    }
    log(entry({ code: 'kafka-unreachable', task: 'p-2' }));
    at(10_001);
    log(one);
    expect(objects().map(({ task, suppressed }) => [task, suppressed])).toEqual([
      ['p-1', undefined],
      ['p-2', undefined],
      ['p-1', 2],
    ]);
  });

  it('tells what was left out at its end', () => {
    const { log, close, text } = logging({ format: 'text' });
    for (const message of ['first', 'second', 'third']) log(entry({ code: 'x', message }));
    close();
    expect(text()).toBe('weir: first\nweir: third (and 1 more like this)\n');
  });

  it('does not throttle what has no code', () => {
    const { log, lines } = logging();
    log(entry());
    log(entry());
    expect(lines()).toHaveLength(2);
  });

  it('never leaves out what says each time something of its own', () => {
    const { log, lines } = logging();
    for (const message of ['INSERT 1', 'INSERT 2'])
      log(entry({ code: 'views-in-doubt', topic: 'a.t', partition: 3, message }));
    expect(lines()).toHaveLength(2);
  });

  it('keeps what it held back within bounds', () => {
    const { log, close, lines } = logging();
    for (let round = 0; round < 2; round += 1)
      for (let i = 0; i < 1_500; i += 1) log(entry({ code: 'x', task: `p-${i}` }));
    const before = lines().length;
    close();
    expect(lines().length - before).toBeLessThanOrEqual(1_000);
  });

  for (const format of ['text', 'json'] as const)
    it(`writes no secret, as ${format}`, () => {
      const { log, text } = logging({ format, secrets: ['hunter2', 'hunter2-and-more', ''] });
      log(
        entry({ message: 'login hunter2-and-more refused at http://weir:pa55@host:8123/ and sasl hunter2' }),
      );
      expect(text()).not.toMatch(/hunter2|and-more|pa55/);
      expect(text()).toContain('host:8123');
    });
});
