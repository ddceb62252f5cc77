/** Targets of materialized views when an owner dies between the table and the view: each row once, or somebody is told. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SinkConfig } from '#sinks/clickhouse/clickhouse-sink.ts';
import { everyType, everyTypeEvent, type EveryType } from '#sinks/clickhouse/every-type.fixture.ts';
import { openPipe, type Pipe } from '../integration/clickhouse-sink.fixture.ts';
import { startTestServer, until, type TestServer } from '../integration/embedded-clickhouse.fixture.ts';
import {
  pass,
  startFaultyClickHouse,
  type Fault,
  type FaultyClickHouse,
} from '../integration/faulty-clickhouse.fixture.ts';

let it: TestServer;
let proxy: FaultyClickHouse;
beforeAll(async () => {
  it = await startTestServer({ minHealthyMs: 0 });
  proxy = await startFaultyClickHouse(it.server.port);
});
afterAll(async () => {
  await proxy.close();
  await it.close();
});

const quick: Partial<SinkConfig> = { limits: { retry: { initialMs: 5, maxMs: 20 } } };
const window = 'SETTINGS non_replicated_deduplication_window = 10000';
/** A batch in each partition. */
const ROWS = 20;

/** The smallest window that a start takes; a quarter of it is relied on. */
const smallWindow = 1_000;

/** More blocks than that, each of a row; in the values `?` is another number below 0 in each, of one partition of `last`. */
const others = (run: Scene['run'], table: string, columns: string, values: string): Promise<void> =>
  run(
    `INSERT INTO ${table} (${columns}) SELECT ${values.replace('?', '-3 - 3 * toInt64(number)')} FROM numbers(${smallWindow / 4 + 5})
     SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1`,
  );

interface Scene {
  readonly pipe: Pipe<EveryType>;
  readonly table: string;
  readonly run: (sql: string) => Promise<void>;
  /** Rows and distinct rows, of the table, of the view's target, and of the target of the view behind that. */
  readonly counts: () => Promise<readonly number[]>;
  readonly isAll: (rows: readonly number[]) => Promise<boolean>;
  /** A sink that dies with its promises open; what it was told. */
  readonly dieHaving: (condition: () => Promise<boolean>, config?: Partial<SinkConfig>) => Promise<string[]>;
  /** A sink that lives; what it was told. */
  readonly finish: () => Promise<string[]>;
}

let scenes = 0;

/** A table, a view that fails while `broken` has rows, its target, and a view behind that, partitioned otherwise. */
async function withViews(url: string, work: (scene: Scene) => Promise<void>): Promise<void> {
  scenes += 1;
  const database = `views_${scenes}`;
  // A mark is made only where the server cannot be taken for its predecessor.
  await until(async () => Number(await it.sql('SELECT uptime()')) >= 4);
  const pipe = openPipe(url, everyType, database);
  const table = `${database}.test_every_types`;
  const run = async (query: string): Promise<void> => {
    await pipe.client.command({ query });
  };
  await (await pipe.start()).stop(1000);
  await run(`CREATE TABLE ${database}.broken (n UInt8) ENGINE = MergeTree ORDER BY n`);
  await run(
    `CREATE TABLE ${database}.target (large Int64, ok UInt8) ENGINE = MergeTree ORDER BY large ${window}`,
  );
  await run(
    `CREATE TABLE ${database}.last (large Int64) ENGINE = MergeTree PARTITION BY large % 3 ORDER BY large ${window}`,
  );
  await run(
    `CREATE MATERIALIZED VIEW ${database}.view TO ${database}.target AS
     SELECT throwIf((SELECT count() FROM ${database}.broken) > 0) AS ok, large FROM ${table}`,
  );
  await run(
    `CREATE MATERIALIZED VIEW ${database}.second TO ${database}.last AS SELECT large FROM ${database}.target`,
  );
  const counts = async (): Promise<readonly number[]> => {
    const [row] = await pipe.rows<{ counts: number[] }>(
      `SELECT [(SELECT count() FROM ${table} WHERE _topic = '${everyType.topic}'), (SELECT uniqExact(_partition, _offset) FROM ${table} WHERE _topic = '${everyType.topic}'),
        (SELECT count() FROM ${database}.target WHERE large >= 0), (SELECT uniqExact(large) FROM ${database}.target WHERE large >= 0),
        (SELECT count() FROM ${database}.last WHERE large >= 0), (SELECT uniqExact(large) FROM ${database}.last WHERE large >= 0)] AS counts`,
    );
    return row!.counts;
  };
  const starting = async (
    troubles: string[],
    config: Partial<SinkConfig> = {},
  ): ReturnType<typeof pipe.start> =>
    pipe.start({ ...quick, ...config, onTrouble: ({ message }) => troubles.push(message) });
  const scene: Scene = {
    pipe,
    table,
    run,
    counts,
    isAll: async (rows) => JSON.stringify(await counts()) === JSON.stringify(rows),
    dieHaving: async (condition, config) => {
      const troubles: string[] = [];
      const sink = await starting(troubles, config);
      await until(condition);
      await sink.stop(0);
      return troubles;
    },
    finish: async () => {
      const troubles: string[] = [];
      const sink = await starting(troubles);
      await sink.drain();
      expect(await sink.stop(5000)).toBe(true);
      return troubles;
    },
  };
  try {
    await work(scene);
  } finally {
    await pipe.close();
  }
}

const events = (count: number, from = 0): EveryType[] =>
  Array.from({ length: count }, (_, i) => everyTypeEvent(from + i));

const inTable = [ROWS, ROWS, 0, 0, 0, 0];
const everywhere = [ROWS, ROWS, ROWS, ROWS, ROWS, ROWS];

test('the next owner gives targets what they lack, also when the view still fails for some owners', () =>
  withViews(it.server.url, async ({ pipe, run, isAll, counts, dieHaving, finish }) => {
    const database = `views_${scenes}`;
    await run(`INSERT INTO ${database}.broken VALUES (1)`);
    pipe.send(events(ROWS));
    expect(await dieHaving(() => isAll(inTable))).toEqual([]);
    for (let owner = 0; owner < 2; owner += 1) {
      const again = await pipe.start(quick);
      await expect(again.drain()).rejects.toThrow(/test\.every-types\/[01].*view/s);
      await again.stop(0);
    }
    expect(await counts()).toEqual(inTable);
    await run(`TRUNCATE TABLE ${database}.broken`);
    expect(await finish()).toEqual([]);
    expect(await counts()).toEqual(everywhere);
    pipe.send(events(2, ROWS));
    expect(await finish()).toEqual([]);
    expect(await counts()).toEqual(everywhere.map((rows) => rows + 2));
    expect(await pipe.audit()).toMatchObject([
      { rows: 11, missing: 0, duplicates: 0 },
      { rows: 11, missing: 0, duplicates: 0 },
    ]);
  }));

test('owners that find a batch everywhere, one after another, change nothing', () =>
  withViews(proxy.url, async ({ pipe, isAll, counts, dieHaving, finish }) => {
    let answers = 0;
    proxy.decide = ({ insertInto }) => {
      if (insertInto !== everyType.clickhouse.table) return pass;
      answers += 1;
      return { kind: 'cut-answer' };
    };
    pipe.send(events(ROWS));
    for (let owner = 0; owner < 3; owner += 1) {
      const before = answers;
      // It has sent each batch, and heard nothing.
      expect(await dieHaving(async () => answers >= before + 4 && (await isAll(everywhere)))).toEqual([]);
    }
    proxy.decide = () => pass;
    expect(await finish()).toEqual([]);
    expect(await counts()).toEqual(everywhere);
  }));

describe('where a token may be forgotten, nothing is doubled, and it is told', () => {
  /** Blocks of others into a table, with a negative number by which the counts leave them out. */
  test.each<[string, number, (scene: Scene, database: string) => Promise<void>, RegExp]>([
    [
      "a view's target has taken more blocks than are relied on",
      smallWindow,
      ({ run }, database) => others(run, `${database}.last`, 'large', '?'),
      /\d{3} blocks went into views_\d+\.last since, which remembers 1000/,
    ],
    [
      'the window was made smaller and larger again',
      smallWindow,
      async ({ run, table }) => {
        // Times of changes are whole seconds.
        await new Promise((resolve) => setTimeout(resolve, 1100));
        for (const size of [0, smallWindow])
          await run(`ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = ${size}`);
      },
      /was altered or made anew since/,
    ],
    [
      'a view has another name, under which its target knows no token',
      10000,
      ({ run }, database) => run(`RENAME TABLE ${database}.second TO ${database}.other`),
      /was altered or made anew since/,
    ],
    [
      'a target was emptied and filled again',
      10000,
      async ({ run }, database) => {
        // Its own view fills `last`, too.
        await run(`TRUNCATE TABLE ${database}.target`);
        await run(`TRUNCATE TABLE ${database}.last`);
        await run(`INSERT INTO ${database}.target (large) SELECT large FROM ${database}.test_every_types`);
      },
      /rows of views_\d+\.last may have been dropped since/,
    ],
    [
      'a partition of a target was dropped and filled again',
      10000,
      async ({ run }, database) => {
        await run(`ALTER TABLE ${database}.last DROP PARTITION 1`);
        await run(`INSERT INTO ${database}.last SELECT large FROM ${database}.target WHERE large % 3 = 1`);
      },
      /rows of views_\d+\.last may have been dropped since/,
    ],
    [
      'ClickHouse was killed, perhaps between a token and its rows',
      10000,
      async () => {
        const pid = it.server.pid();
        process.kill(pid, 'SIGKILL');
        await until(() => it.server.pid() !== pid);
      },
      /ClickHouse was started/,
    ],
  ])('%s', (_, size, happen, why) =>
    withViews(proxy.url, async (scene) => {
      const { pipe, run, table, isAll, counts, dieHaving, finish } = scene;
      const database = `views_${scenes}`;
      for (const each of [table, `${database}.target`, `${database}.last`])
        await run(`ALTER TABLE ${each} MODIFY SETTING non_replicated_deduplication_window = ${size}`);
      proxy.decide = ({ insertInto }) =>
        insertInto === everyType.clickhouse.table ? { kind: 'cut-answer' } : pass;
      pipe.send(events(ROWS));
      await dieHaving(() => isAll(everywhere));
      proxy.decide = () => pass;
      // What the dead owner sent last is done with, and nothing of it comes later: its token would be forgotten by then.
      await proxy.refuse();
      await proxy.listen();
      await happen(scene, database);
      const told = await finish();
      expect({ rows: await counts(), told }).toEqual({
        rows: everywhere,
        told: [expect.any(String), expect.any(String)],
      });
      for (const message of told) {
        expect(message).toMatch(
          /^table views_\d+\.test_every_types, test\.every-types\/[01], offsets 0 to 9: /,
        );
        expect(message).toMatch(why);
      }
      expect(await finish()).toEqual([]);
      expect(await counts()).toEqual(everywhere);
    }),
  );

  test('the table has taken more blocks than are relied on: a target that lacks the rows gets them by the statement that is told', () =>
    withViews(it.server.url, async ({ pipe, run, table, isAll, counts, dieHaving, finish }) => {
      const database = `views_${scenes}`;
      await run(`ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = ${smallWindow}`);
      await run(`INSERT INTO ${database}.broken VALUES (1)`);
      pipe.send(events(ROWS));
      await dieHaving(() => isAll(inTable));
      await run(`TRUNCATE TABLE ${database}.broken`);
      await others(run, table, 'id, at, large, _topic, _partition, _offset', "'x', 0, ?, 'other', 0, 0");
      const told = await finish();
      expect(await counts()).toEqual(inTable);
      expect(told).toHaveLength(2);
      for (const message of told)
        expect(message).toMatch(
          /\d{3} blocks went into views_\d+\.test_every_types since, which remembers 1000/,
        );
      // Each under a token of its own: whoever runs it twice changes nothing.
      for (const message of [...told, ...told]) await run(/INSERT INTO .*$/.exec(message)![0]);
      expect(await counts()).toEqual(everywhere);
    }));
});

test('a repetition that is refused for a while is judged again before it is sent once more', () =>
  withViews(proxy.url, async ({ pipe, run, table, isAll, counts, dieHaving }) => {
    const database = `views_${scenes}`;
    const decide = (reply: Fault): void => {
      proxy.decide = ({ insertInto }) => (insertInto === everyType.clickhouse.table ? reply : pass);
    };
    for (const each of [table, `${database}.target`, `${database}.last`])
      await run(`ALTER TABLE ${each} MODIFY SETTING non_replicated_deduplication_window = ${smallWindow}`);
    decide({ kind: 'cut-answer' });
    pipe.send(events(ROWS));
    await dieHaving(() => isAll(everywhere));
    let refusals = 0;
    const message = 'memory limit exceeded';
    decide({ kind: 'answer', code: 241, name: 'MEMORY_LIMIT_EXCEEDED', message });
    const troubles: string[] = [];
    const sink = await pipe.start({
      ...quick,
      onRetry: () => (refusals += 1),
      onTrouble: (error) => troubles.push(error.message),
    });
    await until(() => refusals > 4);
    expect(troubles).toEqual([]);
    await others(run, `${database}.last`, 'large', '?');
    // Of both partitions, still refused: where one was judged before the others came, its next repetition is judged again.
    await until(() => troubles.length > 1);
    proxy.decide = () => pass;
    await sink.drain();
    expect(await sink.stop(5000)).toBe(true);
    expect(troubles).toHaveLength(2);
    // The second, where it looks while they go in: merges make one part of old and new blocks.
    expect(troubles[0]).toMatch(
      /blocks went into views_\d+\.last since|rows of views_\d+\.last may have been/,
    );
    expect(await counts()).toEqual(everywhere);
  }));

test('a view that is made while a promise is open is told, too, and a table without views is not asked about', () =>
  withViews(proxy.url, async ({ pipe, run, isAll, counts, dieHaving, finish }) => {
    const database = `views_${scenes}`;
    const asked: string[] = [];
    for (const view of ['view', 'second']) await run(`DROP VIEW ${database}.${view}`);
    proxy.decide = ({ insertInto, sql }) => {
      asked.push(sql);
      return insertInto === everyType.clickhouse.table ? { kind: 'cut-answer' } : pass;
    };
    pipe.send(events(ROWS));
    await dieHaving(() => isAll(inTable));
    const isMark = (sql: string): boolean => /system\.parts/.test(sql);
    expect(asked.filter(isMark)).toEqual([]);
    await run(
      `CREATE MATERIALIZED VIEW ${database}.late TO ${database}.last AS SELECT large FROM ${database}.test_every_types`,
    );
    proxy.decide = () => pass;
    const told = await finish();
    expect(told).toEqual([
      expect.stringMatching(/the promise does not say/),
      expect.stringMatching(/the promise does not say/),
    ]);
    expect(await counts()).toEqual(inTable);
  }));
