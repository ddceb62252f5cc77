/**
 * What ClickHouse refuses, by classes (sinks/clickhouse/insert-error.ts), the sink being on a real Kafka: said by a proxy with
 * ClickHouse's own codes, and where that can be had by the real engine itself.
 */
import { describe, expect, it } from 'vitest';
import { answering, forGood, ofOneRow, passing, tooManyPartitions } from './clickhouse-errors.fixture.ts';
import { until } from '../integration/embedded-clickhouse.fixture.ts';
import { type Asked, type Fault, pass, rowsOfBlock } from '../integration/faulty-clickhouse.fixture.ts';
import { eventTimeMs, letterOrigins } from '../integration/kafka-sink.fixture.ts';
import { type FaultScene, faultScenesForFile, quickRetry, thing } from './kafka-sink-faults.fixture.ts';

const sceneOf = faultScenesForFile();

interface Letter {
  readonly offset: number;
  readonly code: string;
  readonly reason: string;
}

const lettersOf = ({ scene }: FaultScene): Promise<readonly Letter[]> =>
  scene.rows(
    `SELECT offset, code, reason FROM ${scene.app}.weir_dead_letters WHERE topic = '${scene.streams[0]!.topic}' ORDER BY offset`,
  );

describe('what passes', () => {
  it('is tried again with the same bytes and token until the rows are in', async (context) => {
    const { scene, proxy, start, tableOf } = await sceneOf(context, 2);
    const pages: readonly Fault[] = [
      { kind: 'page', status: 502, text: '<html><body><h1>502 Bad Gateway</h1></body></html>' },
      { kind: 'page', status: 503, text: 'no healthy upstream' },
      { kind: 'page', status: 200, text: '<html><body>Please sign in to the network</body></html>' },
    ];
    // Each twice in a row.
    const faults = [...passing.map((answer) => answering(answer, tableOf(0))), ...pages].flatMap((fault) => [
      fault,
      fault,
    ]);
    const count = faults.length;
    const tried = new Map<string, Buffer[]>();
    const reported: string[] = [];
    proxy.decide = ({ insertInto, token, body }) => {
      if (insertInto !== tableOf(0)) return pass;
      tried.set(token, [...(tried.get(token) ?? []), body]);
      return faults.shift() ?? pass;
    };
    for (let i = 0; i < 3; i += 1) await scene.writer.write(scene.streams, 50);
    const sink = await start({
      limits: { maxRows: 60, retry: quickRetry },
      onRetry: ({ error }) => reported.push(error.message),
    });
    await scene.expectExactlyOnce();
    expect(faults).toEqual([]);
    expect(reported).toHaveLength(count);
    for (const [code, , message] of passing) {
      const told = `${message.replaceAll('{table}', tableOf(0))} (ClickHouse code ${code})`;
      expect(reported.filter((one) => one.includes(told))).toHaveLength(2);
    }
    // 100 rows of each partition, in batches of 60 and 40.
    expect(tried.size).toBe(4);
    for (const bodies of tried.values())
      for (const body of bodies) expect(body.equals(bodies[0]!)).toBe(true);
    expect((await sink.stats())[0]).toMatchObject({ rows: 200, retries: count, deadLetters: 0 });
  });

  it('is too many parts of the real engine: in, once merges have caught up', async (context) => {
    const { scene, start, tableOf } = await sceneOf(context, 1);
    const table = `${scene.app}.${tableOf(0)}`;
    const reported: string[] = [];
    const set = (parts: number): Promise<unknown> =>
      scene.client.command({
        query: `ALTER TABLE ${table} MODIFY SETTING parts_to_throw_insert = ${parts}, parts_to_delay_insert = 0`,
      });
    await start({ onRetry: ({ error }) => reported.push(error.message) });
    await scene.writer.write(scene.streams, 10);
    await scene.expectExactlyOnce();
    await scene.client.command({ query: `SYSTEM STOP MERGES ${table}` });
    await set(1);
    await scene.writer.write(scene.streams, 10);
    await until(() => reported.length >= 5);
    for (const message of reported) expect(message).toMatch(/Too many parts.*\(ClickHouse code 252\)/s);
    await set(3_000);
    await scene.client.command({ query: `SYSTEM START MERGES ${table}` });
    await scene.expectExactlyOnce();
  });
});

describe('what only smaller inserts pass', () => {
  it('is too many partitions in one block', async (context) => {
    const { scene, proxy, start, tableOf } = await sceneOf(context, 2);
    let refused = 0;
    const taken: number[] = [];
    proxy.decide = ({ insertInto, body }) => {
      if (insertInto !== tableOf(0)) return pass;
      const rows = rowsOfBlock(body);
      if (rows <= 30) {
        taken.push(rows);
        return pass;
      }
      refused += 1;
      return answering(tooManyPartitions, tableOf(0));
    };
    for (let i = 0; i < 3; i += 1) await scene.writer.write(scene.streams, 100);
    const sink = await start();
    const audits = await scene.expectExactlyOnce();
    expect(audits[0]).toMatchObject({ expected: 200, present: 200, deadLetters: 0 });
    // 200, 100 and 50 in each partition; whoever has come through tries twice as many next.
    expect(refused).toBeGreaterThanOrEqual(6);
    expect(Math.max(...taken)).toBeLessThanOrEqual(30);
    expect((await sink.stats())[0]).toMatchObject({ retries: 0 });
  });
});

describe('a row that ClickHouse refuses', () => {
  it('is found by halving and a dead letter with the reason, whatever the code; its neighbours are rows', async (context) => {
    const faultScene = await sceneOf(context, 1);
    const { scene, proxy, start, tableOf } = faultScene;
    const { topic } = scene.streams[0]!;
    const idOf = (code: number): string => `bad-${code}!`;
    const inserts: Asked[] = [];
    proxy.decide = (asked) => {
      if (asked.insertInto !== tableOf(0)) return pass;
      inserts.push(asked);
      const bad = ofOneRow.find(([code]) => asked.body.includes(idOf(code)));
      return bad === undefined ? pass : answering(bad, tableOf(0));
    };
    const offsets = new Map<number, number>();
    // Each transaction ends with a marker.
    let next = 0;
    for (const [i, [code]] of ofOneRow.entries()) {
      await scene.writer.write(scene.streams, 17);
      next += 18;
      await scene.writer.writeRaw(topic, 0, thing({ id: idOf(code), count: i }));
      offsets.set(code, next);
      next += 2;
    }
    await start();
    await scene.expectExactlyOnce();
    const letters = await lettersOf(faultScene);
    expect(letters).toEqual(
      ofOneRow.map(([code, , message]) => ({
        offset: offsets.get(code),
        code: 'clickhouse-data',
        reason: expect.stringContaining(
          `${message.replaceAll('{table}', tableOf(0))} (ClickHouse code ${code})`,
        ) as string,
      })),
    );
    const origins = await letterOrigins(scene, topic);
    expect(new Set(origins).size).toBe(origins.length);
    expect(origins).toHaveLength(ofOneRow.length);
    // None goes in with a bad one, and none is sent alone that need not be: some ten halvings for each bad row.
    expect(inserts.length).toBeLessThan(20 * ofOneRow.length);
  });

  it('by a constraint, while answers are cut, is one dead letter', async (context) => {
    const faultScene = await sceneOf(context, 1);
    const { scene, proxy, start, tableOf } = faultScene;
    const table = `${scene.app}.${tableOf(0)}`;
    await scene.client.command({ query: `ALTER TABLE ${table} ADD CONSTRAINT modest CHECK count < 1000000` });
    let cut = 0;
    let looks = 0;
    proxy.decide = ({ insertInto }) => {
      if (insertInto === undefined) looks += 1;
      // The first one in any case.
      if (insertInto === undefined || (cut > 0 && Math.random() < 0.6)) return pass;
      cut += 1;
      return { kind: 'cut-answer' };
    };
    await scene.writer.write(scene.streams, 40);
    await scene.writer.writeRaw(scene.streams[0]!.topic, 0, thing({ id: 'much', count: 1_000_001 }));
    await scene.writer.write(scene.streams, 40);
    await start();
    await scene.expectExactlyOnce();
    expect(await lettersOf(faultScene)).toEqual([
      {
        offset: 41,
        code: 'clickhouse-data',
        reason: expect.stringMatching(
          /[Cc]onstraint `?modest`? .*violated.*count < 1000000.*\(ClickHouse code 469\)/s,
        ) as string,
      },
    ]);
    expect(await letterOrigins(scene, scene.streams[0]!.topic)).toHaveLength(1);
    // Nothing was waited for that is there: who waits for rows looks for them 30 times.
    expect(looks).toBeLessThan(40 + 10 * cut);
  });
});

it('makes a dead letter that is a row of a record whose timestamp is in nano- or microseconds', async (context) => {
  const faultScene = await sceneOf(context, 1);
  const { scene, start } = faultScene;
  const { topic } = scene.streams[0]!;
  const timestamps = [eventTimeMs * 1e6, eventTimeMs * 1e3];
  await scene.writer.write(scene.streams, 3);
  for (const timestamp of timestamps) await scene.writer.writeRaw(topic, 0, thing({ id: 'late' }), timestamp);
  await scene.writer.write(scene.streams, 3);
  await start();
  await scene.expectExactlyOnce();
  const reason = (offset: number, timestamp: number): unknown =>
    expect.stringMatching(
      new RegExp(`column _timestamp, .* offset ${offset}: ${timestamp} .*Kafka timestamp, ${timestamp}, `),
    );
  expect(await lettersOf(faultScene)).toEqual([
    { offset: 4, code: 'value-invalid', reason: reason(4, timestamps[0]!) },
    { offset: 6, code: 'value-invalid', reason: reason(6, timestamps[1]!) },
  ]);
});

describe('what does not pass', () => {
  it('stops the partition and names the table and why, for each code; restarted when it is mended, all is in', async (context) => {
    const { scene, proxy, start, tableOf } = await sceneOf(context, 1, 1);
    await scene.writer.write(scene.streams, 10);
    for (const answer of forGood) {
      const [code, , message] = answer;
      let tries = 0;
      proxy.decide = ({ insertInto }) => {
        if (insertInto !== tableOf(0)) return pass;
        tries += 1;
        return answering(answer, tableOf(0));
      };
      const sink = await start();
      const error = await sink.failed;
      expect(error).toMatchObject({ code: 'clickhouse-permanent', retryable: false });
      expect(error.message).toContain(`table ${scene.app}.${tableOf(0)}, ${scene.streams[0]!.topic}/0: `);
      expect(error.message).toContain(
        `${message.replaceAll('{table}', tableOf(0))} (ClickHouse code ${code})`,
      );
      // The other table goes on.
      const before = (await sink.stats())[1]!.rows;
      await scene.writer.writeRaw(scene.streams[1]!.topic, 0, thing({ id: 'on' }));
      await until(async () => (await sink.stats())[1]!.rows > before);
      expect(tries).toBe(1);
      expect((await sink.stats())[0]).toMatchObject({ rows: 0, retries: 0, deadLetters: 0 });
      expect(await sink.stop(60_000)).toBe(false);
    }
    proxy.decide = () => pass;
    await start();
    await scene.expectExactlyOnce();
  });

  it.for<readonly [string, readonly string[], readonly string[], RegExp]>([
    [
      'a column is gone',
      ['ALTER TABLE {table} DROP COLUMN count'],
      ['ALTER TABLE {table} ADD COLUMN count Int32 AFTER at'],
      /No such column count in table .*\(ClickHouse code 16\)/s,
    ],
    [
      'a column has another type',
      ['ALTER TABLE {table} DROP COLUMN count', 'ALTER TABLE {table} ADD COLUMN count UUID AFTER at'],
      ['ALTER TABLE {table} DROP COLUMN count', 'ALTER TABLE {table} ADD COLUMN count Int32 AFTER at'],
      /count.*\(ClickHouse code (48|53|70)\)/s,
    ],
    [
      'the table is gone',
      ['RENAME TABLE {table} TO {table}_away'],
      ['RENAME TABLE {table}_away TO {table}'],
      /(does not exist|Unknown table).*\(ClickHouse code 60\)/s,
    ],
  ])('is said by the real engine: %s', async ([, breakIt, mend, why], context) => {
    const { scene, start, tableOf } = await sceneOf(context, 1, 1);
    const table = `${scene.app}.${tableOf(0)}`;
    const run = async (queries: readonly string[]): Promise<void> => {
      for (const query of queries) await scene.client.command({ query: query.replaceAll('{table}', table) });
    };
    const sink = await start();
    await run(breakIt);
    await scene.writer.write(scene.streams, 10);
    const error = await sink.failed;
    expect(error.code).toBe('clickhouse-permanent');
    expect(error.message).toContain(`table ${table}, ${scene.streams[0]!.topic}/0: `);
    expect(error.message).toMatch(why);
    await until(async () => (await sink.stats())[1]!.rows === 10);
    await sink.stop(60_000);
    await run(mend);
    await start();
    await scene.expectExactlyOnce();
  });
});
