import { describe, expect, test } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { deadLetters, type DeadLetter } from '../records/generated.ts';
import { input, processor, type Processor } from '../topology/processor.ts';
import type { RecordSchema } from '../topology/stream.ts';
import { others, readings, sums, sumState, summing, type Reading } from './readings.fixture.ts';
import { TaskCore } from './task-core.ts';
import type { ChangelogEntry, OutputRecord } from './task-io.ts';

const writers = new WriterSchemas();
const codec = eventCodec(readings, writers);
const letterCodec = eventCodec(deadLetters, writers);

function coreOf(of: Processor = summing, strict = true): TaskCore {
  return new TaskCore({ processor: of, partition: 0, writers, strict });
}

/** Feeds a core and keeps everything that came out. */
class Feed {
  readonly core: TaskCore;
  readonly outputs: OutputRecord[] = [];
  urgentSteps = 0;
  readonly #offsets = new Map<string, number>();

  constructor(core: TaskCore, from?: Feed) {
    this.core = core;
    if (from !== undefined) this.#offsets = new Map(from.#offsets);
    else this.tick(1_000_000);
  }

  event(id: string, at: number, n: number, inputIndex = 0, headers = {}): void {
    this.raw(inputIndex, 0, Buffer.from(id), codec.encode({ id, at, n }), at, headers);
  }

  raw(
    inputIndex: number,
    partition: number,
    key: Buffer | null,
    value: Buffer | null,
    timestampMs = 0,
    headers = {},
  ): void {
    const source = `${inputIndex}/${partition}`;
    const offset = this.#offsets.get(source) ?? 0;
    this.#offsets.set(source, offset + 1);
    this.#take(
      this.core.step({
        kind: 'record',
        input: inputIndex,
        partition,
        record: { offset, key, value, timestampMs, headers },
      }),
    );
  }

  tick(wallMs: number, caughtUp = false): void {
    this.#take(this.core.step({ kind: 'tick', wallMs, caughtUp: () => caughtUp }));
  }

  #take(effects: { outputs: readonly OutputRecord[]; urgent: boolean }): void {
    this.outputs.push(...effects.outputs);
    if (effects.urgent) this.urgentSteps += 1;
  }

  /** Decoded outputs of a topic. */
  of(topic: string): Reading[] {
    return this.outputs.filter((o) => o.topic === topic).map((o) => codec.decode(o.value!));
  }

  letters(): DeadLetter[] {
    return this.outputs.filter((o) => o.topic === deadLetters.topic).map((o) => letterCodec.decode(o.value!));
  }
}

describe('time', () => {
  test('a timer fires before the record that moves the watermark past it', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1_000, 1);
    feed.event('b', 1_000, 5, 1);
    feed.event('a', 11_000, 7);
    expect(feed.of('test.sums')).toEqual([]);
    feed.event('b', 11_000, 5, 1); // now both inputs are past the timer at 11,000
    expect(feed.of('test.sums')).toEqual([{ id: 'a', at: 11_000, n: 8 }]);
  });

  test('timers due together fire in the order of time, then key, whatever the order in which they were set', () => {
    const feed = new Feed(coreOf());
    feed.event('x', 0, 1, 1);
    for (const id of ['c', 'a', 'b']) feed.event(id, 1_000, 1);
    feed.event('d', 500, 1);
    feed.event('z', 60_000, 1);
    feed.event('x', 60_000, 1, 1);
    expect(feed.of('test.sums').map((s) => s.id)).toEqual(
      ['d', 'c', 'a', 'b'].sort((p, q) => (p === 'd' ? -1 : q === 'd' ? 1 : p < q ? -1 : 1)),
    );
  });

  test('the watermark is the minimum over inputs until one is idle', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 50_000, 1);
    expect(core.watermarkMs).toBe(-Infinity);
    feed.event('a', 20_000, 1, 1);
    expect(core.watermarkMs).toBe(20_000);
    feed.tick(1_000_900, true);
    feed.event('a', 51_000, 1);
    feed.tick(1_001_100, true); // the other input is idle for 1,100 ms
    expect(core.watermarkMs).toBe(51_000);
  });

  test('a partition that was not read to its end does not become idle', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 50_000, 1);
    feed.event('a', 20_000, 1, 1);
    feed.tick(1_900_000, false);
    expect(core.watermarkMs).toBe(20_000);
  });

  test('when all inputs are idle the wall clock closes what is open', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1_000, 3);
    feed.event('b', 1_000, 3, 1);
    feed.tick(1_001_000, true);
    expect(feed.of('test.sums')).toEqual([]);
    feed.tick(1_011_000, true); // 1,000 ms until idle, then 10,000 ms on
    expect(feed.of('test.sums')).toEqual([{ id: 'a', at: 11_000, n: 3 }]);
  });

  test('a wall clock that jumps back changes nothing', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 1_000, 3);
    feed.event('b', 1_000, 3, 1);
    feed.tick(1_005_000, true);
    const before = core.watermarkMs;
    feed.tick(1_001_000, true);
    expect(core.watermarkMs).toBe(before);
  });

  test('a late record is dropped and counted, and an on-time one at the watermark is not late', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 5_000, 1);
    feed.event('a', 5_000, 0, 1);
    feed.event('a', 5_000, 1);
    feed.event('a', 4_999, 1);
    expect(core.counters.late).toBe(1);
    feed.event('a', 30_000, 0);
    feed.event('a', 30_000, 0, 1);
    expect(feed.of('test.sums')).toEqual([{ id: 'a', at: 15_000, n: 2 }]);
  });

  test('an event far ahead of the clock is a dead letter and does not move the watermark', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 5_000, 1);
    feed.event('a', 5_000, 1, 1);
    feed.event('a', 9_000_000, 1);
    expect(feed.letters().map((l) => [l.code, l.offset])).toEqual([['time-ahead', 1]]);
    expect(core.watermarkMs).toBe(5_000);
  });
});

describe('bad input', () => {
  test.each<[string, Buffer | null, Buffer | null, string]>([
    ['garbage', Buffer.from('a'), Buffer.from('garbage'), 'unknown-magic'],
    ['an empty value', Buffer.from('a'), Buffer.alloc(0), 'empty'],
    ['no value', Buffer.from('a'), null, 'tombstone'],
    ['no key', null, codec.encode({ id: 'a', at: 1, n: 1 }), 'no-key'],
    [
      'a key that is not the key field',
      Buffer.from('b'),
      codec.encode({ id: 'a', at: 1, n: 1 }),
      'key-mismatch',
    ],
    [
      'an event time that no date can hold',
      Buffer.from('a'),
      codec.encode({ id: 'a', at: 9_000_000_000_000_000, n: 1 }),
      'bad-time',
    ],
    [
      'an event time before all dates',
      Buffer.from('a'),
      codec.encode({ id: 'a', at: -9_000_000_000_000_000, n: 1 }),
      'bad-time',
    ],
    ['a rejected value', Buffer.from('a'), codec.encode({ id: 'a', at: 1, n: 13 }), 'rejected'],
  ])('%s becomes one dead letter with the original bytes, and the task goes on', (_, key, value, code) => {
    const feed = new Feed(coreOf());
    feed.raw(0, 0, key, value, 77, { ce_id: 'x', other: Buffer.from([1, 2]) });
    const [letter, ...rest] = feed.letters();
    expect(rest).toEqual([]);
    expect(letter).toMatchObject({
      topic: 'test.readings',
      partition: 0,
      offset: 0,
      code,
      reader: 'processor test.summing',
    });
    expect(letter?.source_key).toEqual(key);
    expect(letter?.value).toEqual(value);
    expect(letter?.headers).toEqual({ ce_id: Buffer.from('x'), other: Buffer.from([1, 2]) });
    expect(letter?.reason.length).toBeGreaterThan(5);
    feed.event('a', 1_000, 2);
    expect(feed.core.counters.records).toBe(2);
  });

  test.each<[string, Buffer, object, number, string]>([
    ['value', Buffer.from('a'), {}, 3_000_000, 'its 3000000 bytes and its headers are left out'],
    ['key', Buffer.alloc(3_000_000, 'k'), {}, 5, 'its key of 3000000 bytes and its headers'],
    ['header', Buffer.from('a'), { h: Buffer.alloc(1_000_000) }, 5, 'its 5 bytes and its headers'],
  ])(
    'a record whose %s no topic of dead letters would take leaves its bytes behind',
    (what, key, headers, bytes, says) => {
      const feed = new Feed(coreOf());
      feed.raw(0, 0, key, Buffer.alloc(bytes, 'x'), 77, headers);
      expect(feed.outputs[0]!.value!.length).toBeLessThan(20_000);
      const [letter] = feed.letters();
      expect(letter).toMatchObject({
        offset: 0,
        code: 'unknown-magic',
        source_key: what === 'key' ? null : key,
        value: null,
        headers: {},
      });
      expect(letter?.reason).toContain(says);
    },
  );

  test('a reason as long as a record is cut', () => {
    const wordy = processor({
      name: 'test.wordy',
      inputs: { readings },
      outputs: {},
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: { readings: () => ({ reject: 'no '.repeat(1_000_000) }) },
      late: 'handle',
    });
    const feed = new Feed(coreOf(wordy));
    feed.event('a', 1_000, 1);
    expect(feed.letters()[0]?.reason).toHaveLength(10_003);
    expect(feed.letters()[0]?.value).not.toBeNull();
  });

  test('a throw of a handler stops the task before it commits, naming the record', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1_000, 1);
    expect(() => {
      feed.event('a', 2_000, 666);
    }).toThrow(/test\.summing-0: a handler threw at test\.readings\/0\/1 \(key 'a'\): a bug/);
    expect(() => feed.core.prepare()).toThrow('stopped');
    expect(() => {
      feed.event('a', 3_000, 1);
    }).toThrow('stopped');
  });

  test('strict mode catches a handler that changes its state in place', () => {
    const mutating = processor({
      name: 'test.mutating',
      inputs: { readings },
      outputs: {},
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: {
        readings: (state) => {
          (state as { sum: number }).sum += 1;
          return { state };
        },
      },
      late: 'handle',
    });
    const feed = new Feed(coreOf(mutating));
    expect(() => {
      feed.event('a', 1_000, 1);
    }).toThrow(/read only property/);
  });

  test('strict mode catches a change inside a state whose outside the handler froze itself', () => {
    const nested: RecordSchema<{ readonly list: readonly number[] }> = {
      name: 'test.List',
      schema: {
        type: 'record',
        name: 'List',
        namespace: 'test',
        fields: [{ name: 'list', type: { type: 'array', items: 'int' } }],
      },
    };
    const freezing = processor({
      name: 'test.freezing',
      inputs: { readings },
      outputs: {},
      state: { schema: nested, version: 1, initial: () => Object.freeze({ list: [] as number[] }) },
      on: {
        readings: (state, event) => {
          (state.list as number[]).push(event.n);
          return { state: Object.freeze({ list: [...state.list] }) };
        },
      },
      late: 'handle',
    });
    const feed = new Feed(coreOf(freezing));
    expect(() => {
      feed.event('a', 1_000, 1);
    }).toThrow(/not extensible/);
  });

  test('a handler cannot change a parameter', () => {
    const changing = processor({
      name: 'test.changing',
      inputs: { readings },
      outputs: {},
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      parameters: { limit: 1 },
      on: {
        readings: (_, __, at) => {
          at.parameters.limit += 1;
          return undefined;
        },
      },
      late: 'handle',
    });
    const feed = new Feed(coreOf(changing, false));
    expect(() => {
      feed.event('a', 1_000, 1);
    }).toThrow(/read only property 'limit'/);
  });

  test.each<[string, Partial<Processor>, RegExp]>([
    [
      'sets a timer that is not declared',
      { on: { readings: () => ({ timers: [{ set: 'nowhere', atMs: 1 }] }) } },
      /timer 'nowhere' of key 'a' was set, but the processor declares no such timer/,
    ],
    [
      'sets a timer for no time',
      {
        on: { readings: () => ({ timers: [{ set: 'close', atMs: NaN }] }) },
        timers: { close: { clock: 'event', fire: () => undefined } },
      },
      /timer 'close' of key 'a' was set for NaN/,
    ],
    [
      'cannot make an initial state',
      {
        state: {
          schema: sumState,
          version: 1,
          initial: () => {
            throw new Error('no state');
          },
        },
      },
      /task test\.summing-0: a handler threw at test\.readings\/0\/0 \(key 'a'\): no state/,
    ],
  ])('a processor that %s is stopped with an error that names it', (_, change, message) => {
    const broken: Processor = { ...summing, ...change };
    const feed = new Feed(coreOf(broken));
    expect(() => {
      feed.event('a', 1_000, 1);
    }).toThrow(message);
    expect(() => feed.core.prepare()).toThrow('stopped');
  });

  test('an output that does not fit its schema is a bug that names processor, output and field', () => {
    const wrong = processor({
      name: 'test.wrong',
      inputs: { readings },
      outputs: { sums },
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: { readings: (_, event) => ({ emit: [{ to: 'sums', value: { ...event, n: 1.5 } }] }) },
      late: 'handle',
    });
    const feed = new Feed(coreOf(wrong));
    expect(() => {
      feed.event('a', 1_000, 1);
    }).toThrow(/'test\.wrong', output 'sums' at test\.readings\/0\/0: .*n/s);
  });
});

describe('tables, urgency, duplicates', () => {
  test('handlers see the newest row of a broadcast table as of their place in the order', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1_000, 50);
    feed.raw(2, 1, Buffer.from('a'), codec.encode({ id: 'a', at: 1, n: 60 }));
    feed.event('a', 1_001, 5);
    feed.event('a', 1_002, 10);
    feed.raw(2, 1, Buffer.from('a'), null);
    feed.event('a', 1_003, 10);
    expect(feed.of('test.alarms')).toEqual([{ id: 'a', at: 1_002, n: 65 }]);
    expect(feed.urgentSteps).toBe(1);
  });

  test('a late repetition is a repetition, not a late record', () => {
    const noting = processor({
      name: 'test.noting',
      inputs: { readings: input(readings, { deduplicateLast: 4 }) },
      outputs: { sums },
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: { readings: () => undefined },
      late: { to: 'sums', as: (event) => event },
    });
    const feed = new Feed(coreOf(noting));
    const identity = { ce_source: 's', ce_id: '1' };
    feed.event('a', 1_000, 1, 0, identity);
    feed.event('a', 9_000, 1);
    feed.event('a', 1_000, 1, 0, identity);
    expect(feed.outputs).toEqual([]);
    expect(feed.core.counters).toMatchObject({ duplicates: 1, late: 0 });
  });

  test('a timer that is set again for a past time has other ids each time it fires, whatever the commits', () => {
    const repeating = processor({
      name: 'test.repeating',
      inputs: { readings },
      outputs: { sums },
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: { readings: () => ({ timers: [{ set: 'past', atMs: 500 }] }) },
      timers: {
        past: {
          clock: 'event',
          fire: (state, at) => ({
            emit: [
              { to: 'sums', value: { id: at.key, at: at.eventTimeMs, n: state.sum } },
              { to: 'sums', value: { id: at.key, at: at.eventTimeMs, n: state.sum } },
            ],
          }),
        },
      },
      late: 'handle',
    });
    const idsOf = (commitEach: boolean): unknown[] => {
      const feed = new Feed(coreOf(repeating));
      for (let i = 0; i < 3; i += 1) {
        feed.event('a', 1_000 + i, 1);
        feed.tick(1_000_000 + i);
        if (commitEach) {
          feed.core.prepare();
          feed.core.committed();
        }
      }
      return feed.outputs.map((output) => output.headers['ce_id']);
    };
    const ids = idsOf(false);
    expect(ids.length).toBe(6);
    expect(new Set(ids).size).toBe(6);
    expect(idsOf(true)).toEqual(ids);
  });

  test('an id has no control characters, whatever the key, and two keys never share one', () => {
    const keys = ['a\0b', 'a\0c', 'a%00b', 'ä\n\u0085'];
    const feed = new Feed(coreOf());
    for (const [i, key] of keys.entries()) feed.event(key, 1_000 + i, 1);
    for (const inputIndex of [0, 1]) feed.event('z', 20_000, 0, inputIndex);
    expect(feed.of('test.sums').map(({ id }) => id)).toEqual(keys);
    const ids = feed.outputs.map(({ headers }) => String(headers['ce_id']));
    expect(ids.map((id) => id.split('/')[2])).toEqual(['a%00b', 'a%00c', 'a%2500b', 'ä%0A%C2%85']);
  });

  test('an output whose event time is the epoch has a timestamp that Kafka keeps', () => {
    const feed = new Feed(coreOf());
    for (const at of [-1, 0, 1]) feed.event(`at ${at}`, at, 5_000);
    expect(feed.of('test.alarms').map(({ at }) => at)).toEqual([-1, 0, 1]);
    expect(feed.outputs.map(({ timestampMs }) => timestampMs)).toEqual([-1, 1, 1]);
    expect(feed.outputs[1]!.headers['ce_time']).toBe('1970-01-01T00:00:00.000Z');
  });

  test('an input that de-duplicates drops repetitions of (ce_source, ce_id) among the last of a key', () => {
    const counting = processor({
      name: 'test.counting',
      inputs: { readings: input(readings, { deduplicateLast: 2 }) },
      outputs: { sums },
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      on: {
        readings: (state, event) => ({
          state: { sum: state.sum + 1 },
          emit: [{ to: 'sums', value: { ...event, n: state.sum + 1 } }],
        }),
      },
      late: 'handle',
    });
    const feed = new Feed(coreOf(counting));
    const seen = (id: string): Record<string, string> => ({ ce_source: 's', ce_id: id });
    for (const id of ['1', '1', '2', '1', '3', '1']) feed.event('a', 1_000, 0, 0, seen(id));
    feed.event('b', 1_000, 0, 0, seen('1'));
    expect(feed.of('test.sums').map((s) => `${s.id}${s.n}`)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1']);
    expect(feed.core.counters.duplicates).toBe(2);
  });
});

test('each input remembers as many ids of a key as it was told, whatever the others do', () => {
  const deduplicating: Processor = {
    ...summing,
    inputs: {
      readings: input(readings, { deduplicateLast: 3 }),
      others: input(others, { deduplicateLast: 1 }),
    },
  };
  const feed = new Feed(coreOf(deduplicating));
  const send = (inputIndex: number, id: string): number => {
    const before = feed.core.counters.duplicates;
    feed.event('a', 1_000, 1, inputIndex, { ce_source: 's', ce_id: id });
    return feed.core.counters.duplicates - before;
  };
  for (const id of ['1', '2', '3']) send(0, id);
  expect([send(1, 'x'), send(1, 'y'), send(1, 'y'), send(1, 'x')]).toEqual([0, 0, 1, 0]);
  expect([send(0, '1'), send(0, '2'), send(0, '3')]).toEqual([1, 1, 1]);
  expect([send(0, '4'), send(0, '1')]).toEqual([0, 0]);
  for (let i = 0; i < 50; i += 1) send(1, `other-${i}`);
  const entries = feed.core.prepare()?.changelog.map(({ value }) => value?.length ?? 0) ?? [];
  expect(Math.max(...entries.slice(1))).toBeLessThan(120);
});

describe('commit and restore', () => {
  const story = (feed: Feed, from: number, to: number): void => {
    for (let i = from; i < to; i += 1) {
      feed.event(`k${i % 7}`, 1_000 * i, i % 13 === 0 ? 1 : i % 5);
      if (i % 3 === 0) feed.event(`k${i % 5}`, 1_000 * i - 200, 1, 1);
      if (i % 10 === 0)
        feed.raw(2, 0, Buffer.from(`k${i % 7}`), codec.encode({ id: `k${i % 7}`, at: i, n: 5 }));
      if (i % 4 === 0) feed.tick(1_000_000 + 100 * i, i % 8 === 0);
    }
  };

  test('a core restored from its changelog goes on exactly as the one that wrote it', () => {
    const whole = new Feed(coreOf());
    story(whole, 1, 100);
    for (const cut of [1, 17, 50, 99]) {
      const first = new Feed(coreOf());
      story(first, 1, cut);
      const changelog: ChangelogEntry[] = [...(first.core.prepare()?.changelog ?? [])];
      const core = coreOf();
      core.restore(changelog);
      const second = new Feed(core, first);
      story(second, cut, 100);
      expect([...first.outputs, ...second.outputs]).toEqual(whole.outputs);
    }
  });

  test('many small commits and one large commit give the same final state', () => {
    const large = new Feed(coreOf());
    story(large, 1, 100);
    large.core.prepare();
    large.core.committed();
    const small = new Feed(coreOf());
    const changelog: ChangelogEntry[] = [];
    for (let i = 1; i < 100; i += 1) {
      story(small, i, i + 1);
      changelog.push(...(small.core.prepare()?.changelog ?? []));
      small.core.committed();
    }
    const restored = coreOf();
    restored.restore(changelog);
    const withoutMeta = (core: TaskCore): string[] =>
      core
        .snapshot()
        .filter(({ key }) => key[0] !== 0x6d)
        .map(({ key, value }) => `${key.toString('hex')}=${value?.toString('hex') ?? ''}`);
    expect(withoutMeta(restored)).toEqual(withoutMeta(large.core));
    expect(withoutMeta(small.core)).toEqual(withoutMeta(large.core));
  });

  test('the journal of a commit names every input taken, adjacent offsets as one run', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1, 1);
    feed.event('b', 2, 1);
    feed.event('a', 2, 1, 1);
    feed.event('a', 3, 1);
    const commit = feed.core.prepare();
    expect(commit?.positions).toEqual([
      { topic: 'test.readings', partition: 0, offset: 3 },
      { topic: 'test.others', partition: 0, offset: 1 },
    ]);
    feed.core.committed();
    expect(feed.core.prepare()).toBeNull();
  });

  test('a record before the first tick is a fault of the driver, not of the record', () => {
    const value = codec.encode({ id: 'a', at: 1, n: 1 });
    const record = { offset: 0, key: Buffer.from('a'), value, timestampMs: 1, headers: {} };
    expect(() => coreOf().step({ kind: 'record', input: 0, partition: 0, record })).toThrow(
      'a driver has to tick before the first record',
    );
  });

  test('positions are those of topics, also when the inputs change their order', () => {
    const feed = new Feed(coreOf());
    feed.event('a', 1, 1);
    feed.event('a', 2, 1);
    feed.event('a', 2, 1, 1);
    const changelog = feed.core.prepare()!.changelog;
    const { readings: first, others: second } = summing.inputs;
    const turned = coreOf({ ...summing, inputs: { others: second!, readings: first! } });
    turned.restore(changelog);
    expect(turned.sources.slice(0, 2).map(({ topic }, i) => [topic, turned.nextOffset(i)])).toEqual([
      ['test.others', 1],
      ['test.readings', 2],
    ]);
  });

  test('an offset that goes back is refused', () => {
    const core = coreOf();
    const feed = new Feed(core);
    feed.event('a', 1, 1);
    expect(() =>
      core.step({
        kind: 'record',
        input: 0,
        partition: 0,
        record: { offset: 0, key: null, value: null, timestampMs: 0, headers: {} },
      }),
    ).toThrow('test.readings/0 offset 0 came after 0');
  });

  test("states of an older version are read by Avro's rules and written again", () => {
    const first = new Feed(coreOf());
    first.event('a', 1_000, 5);
    const changelog = [...(first.core.prepare()?.changelog ?? [])];
    const newer: RecordSchema<{ readonly sum: number; readonly count: number }> = {
      name: 'test.Sum',
      schema: {
        type: 'record',
        name: 'Sum',
        namespace: 'test',
        fields: [
          { name: 'sum', type: 'long' },
          { name: 'count', type: 'int', default: 0 },
        ],
      },
    };
    const upgraded: Processor = {
      ...summing,
      state: { schema: newer, version: 2, initial: () => ({ sum: 0, count: 0 }) },
    };
    const restored = (): TaskCore => {
      const core = coreOf(upgraded, false);
      core.restore(changelog);
      const feed = new Feed(core, first);
      feed.tick(2_000_000);
      expect(core.prepare()?.changelog.length).toBe(3); // schema, the key's state, meta
      return core;
    };
    restored(); // Not committed: the next one has it all to write again.
    const core = restored();
    core.committed();
    const again = coreOf(upgraded, false);
    again.restore(core.snapshot());
    expect(again.snapshot()).toEqual(core.snapshot());
    const unchanged: Processor = { ...upgraded, state: { ...upgraded.state, version: 1 } };
    expect(() => {
      coreOf(unchanged, false).restore(changelog);
    }).toThrow("raise the state's version");
  });
});
