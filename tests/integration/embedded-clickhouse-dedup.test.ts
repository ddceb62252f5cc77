/** Deduplication as on a server: the cases of the measured table, through HTTP with Native data. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';

let it: TestServer;
const batches = new Map<string, Buffer>();
beforeAll(async () => {
  it = await startTestServer();
  for (const [name, start] of [
    ['one', 0],
    ['two', 1_000_000],
  ] as const) {
    // One block, as the sink writes it.
    const select = `SELECT toUInt32(${start} + number) AS n, 'row' AS s FROM numbers(100000) SETTINGS max_block_size = 200000`;
    batches.set(name, (await it.post(`${select} FORMAT Native`)).body);
  }
});
afterAll(async () => {
  await it.close();
});

async function insert(table: string, batch: 'one' | 'two', settings: Record<string, string>): Promise<void> {
  const answer = await it.post(batches.get(batch) ?? '', {
    query: `INSERT INTO ${table} (n, s) FORMAT Native`,
    ...settings,
  });
  expect(answer.text).toBe('');
}

const createTable = (name: string, window: number, partition = ''): Promise<string> =>
  it.sql(
    `CREATE TABLE ${name} (n UInt32, s String) ENGINE = MergeTree ${partition} ORDER BY n
     SETTINGS non_replicated_deduplication_window = ${window}`,
  );
const count = async (table: string): Promise<number> => Number(await it.sql(`SELECT count() FROM ${table}`));
const token = (name: string): Record<string, string> => ({ insert_deduplication_token: name });

test('an insert of 100,000 rows is one block and one part', async () => {
  await createTable('blocks', 100);
  await it.sql('SYSTEM STOP MERGES blocks');
  await insert('blocks', 'one', {});
  await insert('blocks', 'two', {});
  expect(await it.sql("SELECT groupArray(rows) FROM system.parts WHERE table = 'blocks'")).toBe(
    '[100000,100000]',
  );
});

test('with window 0 the same token twice is kept twice', async () => {
  await createTable('window_zero', 0);
  await insert('window_zero', 'one', token('a'));
  await insert('window_zero', 'one', token('a'));
  expect(await count('window_zero')).toBe(200_000);
});

test('with a window the same token is taken once, with the same data or other', async () => {
  await createTable('window', 100);
  await insert('window', 'one', token('a'));
  await insert('window', 'one', token('a'));
  await insert('window', 'two', token('a'));
  expect(await count('window')).toBe(100_000);
  await insert('window', 'two', token('b'));
  expect(await count('window')).toBe(200_000);
});

test("the token works from the statement's own SETTINGS too", async () => {
  await createTable('in_statement', 100);
  for (let i = 0; i < 2; i++) {
    const query =
      "INSERT INTO in_statement (n, s) SETTINGS insert_deduplication_token = 'x', async_insert = 0 FORMAT Native";
    expect((await it.post(batches.get('one') ?? '', { query })).text).toBe('');
  }
  expect(await count('in_statement')).toBe(100_000);
});

test('the same data without a token, then with one, is kept twice', async () => {
  await createTable('without_then_with', 100);
  await insert('without_then_with', 'one', {});
  await insert('without_then_with', 'one', {});
  expect(await count('without_then_with')).toBe(100_000);
  await insert('without_then_with', 'one', token('a'));
  expect(await count('without_then_with')).toBe(200_000);
});

test.each([
  [0, 200_000],
  [100, 100_000],
])(
  'a materialized view whose target has window %i gets %i rows of a repeated insert',
  async (window, rows) => {
    const source = `source_${window}`;
    await createTable(source, 100);
    await createTable(`${source}_target`, window);
    await it.sql(`CREATE MATERIALIZED VIEW ${source}_view TO ${source}_target AS SELECT n, s FROM ${source}`);
    const settings = { ...token('a'), deduplicate_blocks_in_dependent_materialized_views: '1' };
    await insert(source, 'one', settings);
    await insert(source, 'one', settings);
    expect([await count(source), await count(`${source}_target`)]).toEqual([100_000, rows]);
  },
);

test('the window counts blocks per partition: five partitions, window three, all twice', async () => {
  await createTable('partitions', 3, 'PARTITION BY n % 5');
  await insert('partitions', 'one', token('a'));
  await insert('partitions', 'one', token('a'));
  expect(await count('partitions')).toBe(200_000);
});

test('after ALTER DELETE the token still counts; after TRUNCATE it does not', async () => {
  await createTable('deleted', 100);
  await insert('deleted', 'one', token('a'));
  await it.sql('ALTER TABLE deleted DELETE WHERE 1 SETTINGS mutations_sync = 2');
  await insert('deleted', 'one', token('a'));
  expect(await count('deleted')).toBe(0);
  await it.sql('TRUNCATE TABLE deleted');
  await insert('deleted', 'one', token('a'));
  expect(await count('deleted')).toBe(100_000);
});
