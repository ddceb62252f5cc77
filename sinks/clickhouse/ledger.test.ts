/**
 * The ledger, explored: every crash point of one owner, combined with every crash point of the next, other batch sizes, and
 * an insert of the dead owner that arrives while its successor is at work. The world is a model of the log's commits, of
 * ClickHouse's deduplication by token and of a view behind the table; tests/integration/clickhouse-sink.test.ts does a part of it with the real engine.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Committed, LogRecord, PartitionSource } from '#engine/log/log.ts';
import type { Batch } from './batch.ts';
import { columnsOf } from './columns.ts';
import { SinkError } from './error.ts';
import { streamWith } from './every-type.fixture.ts';
import { tokenOf } from './intent.ts';
import { BlockEncoder } from './native/block-encoder.ts';
import type { PartitionPorts } from './partition-ports.ts';
import { PartitionSink } from './partition-sink.ts';
import type { Rejected } from './row-reader.ts';
import type { Judgement } from './token-memory.ts';

const stream = streamWith([]);
const columns = columnsOf(stream);
const idle: BlockEncoder[] = [];

const RECORDS = 9;
/** Offsets are not dense: 4 is a control record. */
const OFFSETS = Array.from({ length: RECORDS + 1 }, (_, i) => i).filter((offset) => offset !== 4);
/** Cannot be decoded. */
const MALFORMED = 2;
/** ClickHouse refuses any block with it. */
const POISON = 6;

class Crash extends Error {}

/** What outlives a crash. */
interface World {
  committed: Committed;
  readonly rows: number[];
  readonly tokens: Set<string>;
  /** What a materialized view has put into its target, which remembers tokens of its own. */
  readonly target: number[];
  readonly targetTokens: Set<string>;
  /** Whether tokens may be forgotten by now that were noted before. */
  isForgetful: boolean;
  readonly troubles: string[];
  readonly letters: number[];
  /** An insert of a dead owner, still on its way. */
  inFlight: (() => void) | undefined;
  /** Operations since the start of the present owner. */
  operations: number;
  readonly poison: boolean;
  /** Each owner has a log of its own, with what the one before it kept: positions and metadata stay, the incarnation does not. */
  owners: number;
}

/** When an owner dies: at its n-th operation, and whether that still takes effect. */
interface Death {
  readonly at: number;
  /** `halfway`: an insert reaches the table, and not the view's target. */
  readonly effect: 'none' | 'halfway' | 'done' | 'in flight';
}

function newWorld(poison: boolean): World {
  return {
    committed: { offset: 0, metadata: '' },
    rows: [],
    tokens: new Set(),
    target: [],
    targetTokens: new Set(),
    isForgetful: false,
    troubles: [],
    letters: [],
    inFlight: undefined,
    operations: 0,
    poison,
    owners: 0,
  };
}

const log: readonly LogRecord[] = OFFSETS.map((offset) => ({
  offset,
  key: null,
  value: Buffer.from(String(offset)),
  timestampMs: 0,
  headers: {},
}));

function sourceOf(world: World): PartitionSource {
  return {
    topic: 't',
    partition: 0,
    committed: () => Promise.resolve(world.committed),
    commit: () => Promise.reject(new Error('by the ports')),
    read: (offset, maxRecords) => log.filter((record) => record.offset >= offset).slice(0, maxRecords),
    endOffset: () => RECORDS + 1,
    waitForData: (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      }),
  };
}

/** ClickHouse's part: a known token is dropped; a refused block leaves nothing; else all rows go in. Then it is the view's turn. */
function insertInto(world: World, token: string, offsets: readonly number[], isHalf = false): boolean {
  if (!world.tokens.has(token)) {
    if (world.poison && offsets.includes(POISON)) return false;
    world.tokens.add(token);
    world.rows.push(...offsets);
  }
  if (!isHalf && !world.targetTokens.has(token)) {
    world.targetTokens.add(token);
    world.target.push(...offsets);
  }
  return true;
}

function offsetsIn(batch: Batch): number[] {
  const rejected = new Set(batch.rejected.map(({ record }) => record.offset));
  return OFFSETS.filter((offset) => offset >= batch.from && offset < batch.to && !rejected.has(offset));
}

function portsOf(world: World, death: Death | undefined, arriveAt: number | undefined): PartitionPorts {
  world.operations = 0;
  world.owners += 1;
  // Commits carry their group's generation: one that comes late is refused. Only inserts have no such fence.
  const act = <T>(effect: () => T, isFenced = true, half?: () => void): Promise<T> => {
    world.operations += 1;
    if (world.operations === arriveAt) {
      world.inFlight?.();
      world.inFlight = undefined;
    }
    if (death === undefined || world.operations < death.at) return Promise.resolve(effect());
    if (world.operations === death.at && death.effect !== 'none') {
      if (death.effect === 'done') effect();
      else if (death.effect === 'halfway') half?.();
      else if (!isFenced) world.inFlight = effect;
    }
    return Promise.reject(new Crash());
  };
  const judge = (mark: string): Judgement =>
    world.isForgetful || mark !== 'then'
      ? { kind: 'unknown', why: 'long ago', fill: ['fill it'] }
      : { kind: 'remembered' };
  return {
    source: sourceOf(world),
    incarnation: world.owners.toString(16),
    readRow: (record) =>
      record.offset === MALFORMED
        ? { record, code: 'malformed', reason: 'by design', mayResolve: false }
        : { event: { id: 'x', at: 0 }, record, deleted: false },
    insert: (batch, _stop, { token: ownToken, memory } = {}) => {
      const judgement = memory === undefined ? undefined : judge(memory);
      if (judgement?.kind === 'unknown') return Promise.resolve({ kind: 'kept-back', judgement });
      const token = ownToken ?? tokenOf(batch.incarnation, 't', 0, batch.from, batch.to);
      const offsets = offsetsIn(batch);
      return act(
        () =>
          insertInto(world, token, offsets)
            ? { kind: 'in' as const, isRepeated: false }
            : { kind: 'refused' as const, error: new SinkError('clickhouse-data', 'poison') },
        false,
        () => insertInto(world, token, offsets, true),
      );
    },
    mark: () => Promise.resolve('then'),
    judge: (_from, _to, mark) => Promise.resolve(judge(mark)),
    onTrouble: ({ message }) => world.troubles.push(message),
    presentOffsets: (from, to) =>
      act(() => new Set(world.rows.filter((offset) => offset >= from && offset < to))),
    present: (from, to) => act(() => world.rows.filter((offset) => offset >= from && offset < to).length),
    commit: (offset, metadata) =>
      act(() => {
        world.committed = { offset, metadata };
      }),
    finish: (offset, rejected: readonly Rejected[]) =>
      act(() => {
        world.letters.push(...rejected.map(({ record }) => record.offset));
        world.committed = { offset, metadata: '' };
      }),
    turn: () => nextTurn(),
    takeEncoder: () => idle.pop() ?? new BlockEncoder(columns),
    returnEncoder: (encoder) => {
      encoder.clear();
      idle.push(encoder);
    },
    resize: () => true,
  };
}

/** Runs one owner until it dies or has everything in. True when it has. */
async function own(world: World, maxRows: number, death?: Death, arriveAt?: number): Promise<boolean> {
  const limits = { maxRows, maxBytes: 1e9, flushIntervalMs: 1e9, schemaWaitMs: 0 };
  const sink = new PartitionSink(portsOf(world, death, arriveAt), limits);
  const stop = new AbortController();
  const ended = sink.run(stop.signal).then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof Crash)) throw error;
      return false;
    },
  );
  const drained = sink.flushTo(RECORDS + 1).then(() => true);
  const isDone = await Promise.race([drained, ended]);
  stop.abort();
  await ended;
  return isDone;
}

const inOrder = (offsets: readonly number[]): number[] => offsets.toSorted((a, b) => a - b);

function verify(world: World, what: string): void {
  verifyTable(world, what);
  expect(inOrder(world.target), what).toEqual(inOrder(world.rows));
  expect(world.troubles, what).toEqual([]);
}

function verifyTable(world: World, what: string): void {
  world.inFlight?.();
  const refused = world.poison ? [MALFORMED, POISON] : [MALFORMED];
  expect(inOrder(world.rows), what).toEqual(OFFSETS.filter((offset) => !refused.includes(offset)));
  expect(
    world.letters.toSorted((a, b) => a - b),
    what,
  ).toEqual(refused);
  expect(world.committed, what).toEqual({ offset: RECORDS + 1, metadata: '' });
}

const EFFECTS: readonly Death['effect'][] = ['none', 'halfway', 'done', 'in flight'];

/** Every way in which an owner can die, given that it takes `operations` when it lives. */
function deaths(operations: number): readonly Death[] {
  return Array.from({ length: operations }, (_, i) =>
    EFFECTS.map((effect) => ({ at: i + 1, effect })),
  ).flat();
}

async function operationsOf(poison: boolean, maxRows: number): Promise<number> {
  const world = newWorld(poison);
  await own(world, maxRows);
  return world.operations;
}

describe.each([false, true])('with a row that ClickHouse refuses: %s', (poison) => {
  test.each([1, 2, 3, 20])(
    'an owner with batches of %i that lives has every record once',
    async (maxRows) => {
      const world = newWorld(poison);
      expect(await own(world, maxRows)).toBe(true);
      verify(world, 'alive');
    },
  );

  test('one death anywhere, then an owner with other batches: every record once', async () => {
    for (const [first, second] of [
      [2, 3],
      [3, 2],
      [20, 1],
      [1, 20],
    ] as const) {
      for (const death of deaths(await operationsOf(poison, first))) {
        const world = newWorld(poison);
        if (await own(world, first, death)) throw new Error('it should have died');
        // What was in flight is lost here; below it arrives.
        world.inFlight = undefined;
        expect(await own(world, second)).toBe(true);
        verify(world, JSON.stringify({ first, second, death }));
      }
    }
  });

  test('two deaths anywhere: every record once', async () => {
    for (const death of deaths(await operationsOf(poison, 3))) {
      for (const next of deaths(8)) {
        const world = newWorld(poison);
        await own(world, 3, death);
        world.inFlight = undefined;
        await own(world, 2, next);
        world.inFlight = undefined;
        expect(await own(world, 4)).toBe(true);
        verify(world, JSON.stringify({ death, next }));
      }
    }
  });

  test('an insert of a dead owner that arrives at any moment of its successor is no duplicate', async () => {
    const insertDeaths = deaths(await operationsOf(poison, 3)).filter(
      (death) => death.effect === 'in flight',
    );
    for (const death of insertDeaths) {
      for (let arriveAt = 1; arriveAt <= 12; arriveAt++) {
        const world = newWorld(poison);
        await own(world, 3, death);
        expect(await own(world, 2, undefined, arriveAt)).toBe(true);
        verify(world, JSON.stringify({ death, arriveAt }));
      }
    }
  });
});

test('a flush ends while records go on coming', async () => {
  const world = newWorld(false);
  const source: PartitionSource = {
    ...sourceOf(world),
    read: (from, maxRecords) =>
      Array.from({ length: maxRecords }, (_, i) => ({ ...log[0]!, offset: from + i })),
  };
  const limits = { maxRows: 3, maxBytes: 1e9, flushIntervalMs: 1e9, schemaWaitMs: 0 };
  const sink = new PartitionSink({ ...portsOf(world, undefined, undefined), source }, limits);
  const stop = new AbortController();
  const ended = sink.run(stop.signal);
  const flushed = sink.flushTo(30).then(() => 'flushed');
  const passed = (async (): Promise<string> => {
    while (sink.position < 1_000) await nextTurn();
    return `still not at ${sink.position}`;
  })();
  expect(await Promise.race([flushed, passed])).toBe('flushed');
  stop.abort();
  await ended;
});

test('records of schemas that never come hold their partition up once, not one after another', async () => {
  const world = newWorld(false);
  const count = 1_000;
  const garbage = Array.from({ length: count }, (_, offset) => {
    const value = Buffer.alloc(5);
    value.writeUInt32BE(offset, 1);
    return { ...log[0]!, offset, value };
  });
  const ports: PartitionPorts = {
    ...portsOf(world, undefined, undefined),
    source: {
      ...sourceOf(world),
      read: (from, maxRecords) => garbage.slice(from, from + maxRecords),
      endOffset: () => count,
    },
    readRow: (record) => ({ record, code: 'unknown-schema', reason: 'nobody knows', mayResolve: true }),
  };
  const schemaWaitMs = 300;
  const sink = new PartitionSink(ports, {
    maxRows: 1_000,
    maxBytes: 1e9,
    flushIntervalMs: 1e9,
    schemaWaitMs,
  });
  const stop = new AbortController();
  // Only waits take time.
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const startedAtMs = performance.now();
  let tookMs: number | undefined;
  const ended = sink.run(stop.signal);
  void sink.flushTo(count).then(() => {
    tookMs = performance.now() - startedAtMs;
  });
  while (tookMs === undefined) {
    vi.advanceTimersToNextTimer();
    await nextTurn();
  }
  stop.abort();
  await ended;
  expect(world.letters).toEqual(garbage.map(({ offset }) => offset));
  expect(tookMs).toBeGreaterThanOrEqual(schemaWaitMs);
  // One wait for each chunk were four of them.
  expect(tookMs).toBeLessThan(2 * schemaWaitMs);
});

describe('a token that ClickHouse remembers although it was killed before it kept the rows', () => {
  test('the successor finds the rows missing and inserts them, once, beside the token', async () => {
    const world = newWorld(false);
    // The owner dies at its first insert, the second operation after the intent's commit.
    expect(await own(world, 3, { at: 2, effect: 'none' })).toBe(false);
    expect(world.rows).toEqual([]);
    world.tokens.add(tokenOf('1', 't', 0, 0, 4));
    expect(await own(world, 3)).toBe(true);
    verifyTable(world, 'token without rows');
    // The view had them with the repetition already, and nothing can keep the repair from it.
    expect(inOrder(world.target)).toEqual(inOrder([...world.rows, 0, 1, 3]));
    expect(world.troubles).toEqual([expect.stringMatching(/offsets 0 to 3: .*twice/)]);
  });

  test('where part of the rows was kept, only the others are inserted', async () => {
    const world = newWorld(false);
    expect(await own(world, 3, { at: 2, effect: 'none' })).toBe(false);
    world.tokens.add(tokenOf('1', 't', 0, 0, 4));
    world.rows.push(1);
    expect(await own(world, 3)).toBe(true);
    verifyTable(world, 'token with part of the rows');
  });
});

describe('rows that are in the table, and perhaps not in the target of its view', () => {
  test('are not sent again when their token may be forgotten: it is told once, with what to do', async () => {
    for (const effect of ['halfway', 'done'] as const) {
      const world = newWorld(false);
      expect(await own(world, 3, { at: 2, effect })).toBe(false);
      expect(inOrder(world.rows)).toEqual([0, 1, 3]);
      world.isForgetful = true;
      world.tokens.clear();
      world.targetTokens.clear();
      expect(await own(world, 3)).toBe(true);
      verifyTable(world, effect);
      const lacks = effect === 'halfway' ? [0, 1, 3] : [];
      expect(inOrder([...world.target, ...lacks]), effect).toEqual(inOrder(world.rows));
      expect(world.troubles).toEqual([expect.stringMatching(/^t\/0, offsets 0 to 3: .*long ago.*fill it$/)]);
    }
  });

  test('are sent again by each owner until one has heard the answer', async () => {
    const world = newWorld(false);
    expect(await own(world, 3, { at: 2, effect: 'halfway' })).toBe(false);
    // It looks, then sends.
    for (const effect of ['none', 'halfway', 'done', 'done'] as const)
      expect(await own(world, 3, { at: 2, effect })).toBe(false);
    expect(inOrder(world.target)).toEqual([0, 1, 3]);
    expect(await own(world, 3)).toBe(true);
    verify(world, 'answered at last');
  });
});
