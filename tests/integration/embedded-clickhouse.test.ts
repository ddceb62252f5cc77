import { createClient } from '@clickhouse/client';
import { brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send, startTestServer, type TestServer, until } from './embedded-clickhouse.fixture.ts';

let it: TestServer;
beforeAll(async () => {
  it = await startTestServer({
    limits: { maxBodyBytes: 4_000_000, maxUrlBytes: 32_000, maxConcurrentQueries: 4 },
  });
  await it.sql('CREATE TABLE rows (n UInt32, s String) ENGINE = MergeTree ORDER BY n');
});
afterAll(async () => {
  await it.close();
});

const endless = 'SELECT max(sipHash64(number)) FROM numbers(100000000000) SETTINGS max_threads = 1';
/** Whether a query runs, by the id that its client gave it. */
const runs = (id: string) => async (): Promise<boolean> =>
  (await it.sql(`SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'weir:${id}'`)) === '1';
const kill = (id: string): Promise<string> => it.sql(`KILL QUERY WHERE query_id = '${id}'`);

describe('@clickhouse/client', () => {
  test('creates, inserts, queries with parameters and reads back', async () => {
    const client = createClient({ url: it.server.url, compression: { request: true, response: true } });
    await client.command({ query: 'CREATE TABLE through_client (n UInt32, s String) ENGINE = Memory' });
    const values = [{ n: 1, s: "it's" }, { n: 2, s: 'tab\tnewline\n' }]; // prettier-ignore
    const inserted = await client.insert({ table: 'through_client', values, format: 'JSONEachRow' });
    expect(inserted.summary?.written_rows).toBe('2');
    const result = await client.query({
      query: 'SELECT s, {list:Array(String)} AS list FROM through_client WHERE s = {s:String}',
      query_params: { s: 'tab\tnewline\n', list: ["a'b", 'c\\d'] },
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual([{ s: 'tab\tnewline\n', list: ["a'b", 'c\\d'] }]);
    expect(await client.ping()).toEqual({ success: true });
    await client.close();
  });

  test('gets ClickHouse errors with code and type', async () => {
    const client = createClient({ url: it.server.url, log: { level: 127 } });
    await expect(client.query({ query: 'SELECT missing FROM rows' })).rejects.toMatchObject({
      code: '47',
      type: 'UNKNOWN_IDENTIFIER',
    });
    await client.close();
  });
});

describe('requests as by curl', () => {
  test.each([
    ['a query in the URL', '/?query=SELECT%201%2B1', '2\n'],
    ['the default format', '/?query=SELECT%201&default_format=CSVWithNames', '"1"\n1\n'],
    [
      'a format of its own',
      '/?query=SELECT%201%20AS%20x%20FORMAT%20JSONEachRow&default_format=CSV',
      '{"x":1}\n',
    ],
    ['a database', '/?query=SELECT%20currentDatabase()&database=system', 'system\n'],
    ['a setting', '/?query=SELECT%20getSetting(%27max_threads%27)&max_threads=3', '3\n'],
    ['a parameter', '/?query=SELECT%20%7Bx:Int32%7D%2B1&param_x=41', '42\n'],
    ['an alive check', '/ping', 'Ok.\n'],
    ['a replica check', '/replicas_status', 'Ok.\n'],
    ['nothing', '/', 'Ok.\n'],
  ])('GET with %s', async (_, path, text) => {
    const answer = await it.get(path);
    expect(answer.text).toBe(text);
    expect(answer.status).toBe(200);
  });

  test('a statement half in the URL and half in the body', async () => {
    expect((await it.post('1+1', { query: 'SELECT' })).text).toBe('2\n');
  });

  test('headers name query, format, time zone and summary', async () => {
    const { headers } = await it.post(
      'SELECT 1',
      { query_id: 'my-id' },
      { 'X-ClickHouse-Format': 'JSON', 'X-ClickHouse-Database': 'system' },
    );
    expect(headers['x-clickhouse-query-id']).toBe('my-id');
    expect(headers['x-clickhouse-format']).toBe('JSON');
    expect(headers['content-type']).toBe('application/json; charset=UTF-8');
    expect(headers['x-clickhouse-server-display-name']).not.toBe('');
    expect(headers['x-clickhouse-timezone']).not.toBe('');
    expect(JSON.parse(String(headers['x-clickhouse-summary']))).toMatchObject({ result_rows: '1' });
  });

  test.each([
    ['SELEC 1', 62, 400, 'SYNTAX_ERROR'],
    ['SELECT 1; SELECT 2', 62, 400, 'SYNTAX_ERROR'],
    ['', 62, 400, 'SYNTAX_ERROR'],
    ['SELECT * FROM nowhere', 60, 404, 'UNKNOWN_TABLE'],
    ['SELECT throwIf(number = 5) FROM numbers(10)', 395, 500, 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
    ['SELECT {x:Int32}', 456, 500, 'UNKNOWN_QUERY_PARAMETER'],
    ['INSERT INTO rows FORMAT Nonsense\n1', 73, 404, 'UNKNOWN_FORMAT'],
    ['INSERT INTO rows FORMAT CSV\nno number', 27, 400, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED'],
  ])('%s fails with code %i and status %i', async (sql, code, status, name) => {
    const answer = await it.post(sql);
    expect(answer.text).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: [^]*\\(${name}\\)`));
    expect([answer.code, answer.status]).toEqual([code, status]);
  });

  test('an unknown setting and an unsupported parameter are named', async () => {
    expect(await it.post('SELECT 1', { no_such_setting: '1' })).toMatchObject({ code: 115, status: 404 });
    expect(await it.post('SELECT 1', { decompress: '1' })).toMatchObject({ code: 48, status: 501 });
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('a body compressed with %s', async (encoding, compress) => {
    expect((await it.post(compress('SELECT 7'), {}, { 'Content-Encoding': encoding })).text).toBe('7\n');
  });

  test.each(['gzip', 'deflate', 'br', 'snappy'])(
    'a body that is not %s although it says so, or cut off',
    async (encoding) => {
      const insert = { query: 'INSERT INTO rows FORMAT CSV' };
      for (const body of [Buffer.from("1,'plain'"), gzipSync("1,'cut off'").subarray(0, -5)]) {
        const answer = await it.post(body, insert, { 'Content-Encoding': encoding });
        expect([48, 354]).toContain(answer.code);
      }
      expect(await it.sql("SELECT count() FROM rows WHERE s IN ('plain', 'cut off')")).toBe('0');
    },
  );

  test.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])('an answer compressed with %s, only when asked for', async (encoding, decompress) => {
    const path = '/?query=SELECT%20number%20FROM%20numbers(1000)';
    const plain = await it.get(path, { 'Accept-Encoding': encoding });
    expect(plain.headers['content-encoding']).toBeUndefined();
    const packed = await it.get(`${path}&enable_http_compression=1`, { 'Accept-Encoding': encoding });
    expect(packed.headers['content-encoding']).toBe(encoding);
    expect(decompress(packed.body).equals(plain.body)).toBe(true);
  });

  test('a session keeps temporary tables and settings, and is locked while in use', async () => {
    const session = { session_id: 's1' };
    await it.sql('CREATE TEMPORARY TABLE mine (n Int32)', session);
    await it.sql('INSERT INTO mine VALUES (1), (2)', session);
    expect(await it.sql('SELECT count() FROM mine', session)).toBe('2');
    await it.sql('INSERT INTO mine VALUES (1 + 2)', session);
    expect(await it.sql('SELECT sum(n) FROM mine', session)).toBe('6');
    expect(await it.post('SELECT count() FROM mine')).toMatchObject({ code: 60 });
    expect(await it.post('SELECT 1', { session_id: 'unknown', session_check: '1' })).toMatchObject({
      code: 372,
    });
    const slow = it.post(endless, { ...session, query_id: 'in-session' });
    await until(runs('in-session'));
    expect(await it.post('SELECT 1', session)).toMatchObject({ code: 373 });
    await kill('in-session');
    expect(await slow).toMatchObject({ code: 394 });
    expect(await it.sql('SELECT sum(n) FROM mine', session)).toBe('6');
    expect(await it.get('/?session_id=s1&query=INSERT%20INTO%20mine%20VALUES(3)')).toMatchObject({
      code: 164,
    });
  });
});

describe('formats', () => {
  const select = "SELECT toUInt32(number) AS n, 'row ' || toString(number) AS s FROM numbers(20000)";

  test.each([
    'Native',
    'RowBinary',
    'Parquet',
    'Arrow',
    'JSONEachRow',
    'CSVWithNames',
    'TabSeparated',
    'Values',
  ])('%s comes out and goes in again unchanged', async (format) => {
    const out = await it.post(`${select} FORMAT ${format}`);
    expect(out.status).toBe(200);
    await it.sql('TRUNCATE TABLE rows');
    const back = await it.post(out.body, { query: `INSERT INTO rows (n, s) FORMAT ${format}` });
    expect(back.text).toBe('');
    expect(JSON.parse(String(back.headers['x-clickhouse-summary']))).toMatchObject({ written_rows: '20000' });
    const sums = 'SELECT count(), sum(cityHash64(n, s))';
    expect(await it.sql(`${sums} FROM rows`)).toBe(await it.sql(`${sums} FROM (${select})`));
  });

  test('columns of Native are matched by name', async () => {
    const out = await it.post("SELECT 'a' AS s, toUInt32(1) AS n FORMAT Native");
    await it.sql('TRUNCATE TABLE rows');
    await it.post(out.body, { query: 'INSERT INTO rows FORMAT Native' });
    expect(await it.sql('SELECT n, s FROM rows')).toBe('1\ta');
  });

  test('data after the statement in the body: VALUES, CSV, comments before it', async () => {
    await it.sql('TRUNCATE TABLE rows');
    await it.sql("INSERT INTO rows VALUES (1, 'a;--'), (2, upper('b'))");
    await it.sql('/* FORMAT CSV */ INSERT INTO `rows` (s, n) FORMAT CSV\nc,3\n"d, e",4\n');
    await it.sql("INSERT INTO rows SETTINGS async_insert = 0 SELECT 5, 'f'");
    await it.sql('INSERT INTO {t:Identifier} VALUES (6, {v:String})', { param_t: 'rows', param_v: 'g' });
    expect(await it.sql('SELECT * FROM rows ORDER BY n FORMAT CSV')).toBe(
      ['1,"a;--"', '2,"B"', '3,"c"', '4,"d, e"', '5,"f"', '6,"g"'].join('\n'),
    );
  });
});

describe('Native for clients with a protocol revision (clickhouse-go, the official Grafana data source)', () => {
  const wide = `SELECT number, toString(number) AS s, if(number % 3 = 0, NULL, s)::LowCardinality(Nullable(String)) AS lc,
    [s, 'z']::Array(LowCardinality(String)) AS list, map('k', number) AS m, now64(3) AS t,
    CAST(('a', 1), 'Tuple(x String, y UInt8)') AS tuple, []::Array(Array(Nullable(Int32))) AS nested FROM numbers(100000)`;
  const columns = 8;
  const infoBytes = 8;

  test('carries block info and serialization kinds, whatever the types', async () => {
    const plain = await it.post(`${wide} FORMAT Native SETTINGS max_threads = 1`);
    const revised = await it.post(`${wide} FORMAT Native SETTINGS max_threads = 1`, {
      client_protocol_version: '54460',
    });
    const added = revised.body.length - plain.body.length;
    expect(added).toBeGreaterThan(0);
    expect(added % (infoBytes + columns)).toBe(0);
    expect(revised.body.subarray(0, infoBytes)).toEqual(Buffer.from([1, 0, 2, 255, 255, 255, 255, 0]));
  });

  test('a type that it cannot carry is an exception, not a cut connection', async () => {
    const sql = `SELECT '{"a":1}'::JSON AS j FORMAT Native`;
    expect(await it.post(sql, { client_protocol_version: '54460' })).toMatchObject({ code: 48, status: 501 });
    expect((await it.post(sql)).status).toBe(200);
  });
});

describe('limits', () => {
  test('a body over the limit is refused with 413, declared or chunked, and inserts nothing', async () => {
    await it.sql('TRUNCATE TABLE rows');
    const body = Buffer.from("1,'x'\n".repeat(700_000));
    const insert = `${it.server.url}/?query=INSERT+INTO+rows+FORMAT+CSV`;
    for (const headers of [{}, { 'Transfer-Encoding': 'chunked' }]) {
      const answer = await send(insert, { method: 'POST', headers, body });
      expect([answer.status, answer.code]).toEqual([413, 290]);
      expect(answer.text).toContain('4000000 bytes');
    }
    const packed = await it.post(
      gzipSync(body),
      { query: 'INSERT INTO rows FORMAT CSV' },
      { 'Content-Encoding': 'gzip' },
    );
    expect(packed.status).toBe(413);
    expect(await it.sql('SELECT count() FROM rows')).toBe('0');
  });

  test('a URL over the limit is refused with 414', async () => {
    const answer = await it.get(`/?query=SELECT%20'${'x'.repeat(40_000)}'`);
    expect(answer.status).toBe(414);
    expect(answer.text).toContain('send the query in the body');
  });

  test('a statement over the limit is refused', async () => {
    expect(await it.post(`SELECT '${'x'.repeat(1_100_000)}'`)).toMatchObject({ code: 62, status: 400 });
  });

  test('one query too many is answered with code 202; ping and inserts do not wait for slow ones', async () => {
    const ids = ['a', 'b', 'c'];
    const sleeping = 'SELECT sleepEachRow(0.1) FROM numbers(100000) SETTINGS max_block_size = 1';
    let ended = 0;
    const slow = ids.map((id) => it.post(sleeping, { query_id: id }).finally(() => (ended += 1)));
    for (const id of ids) await until(runs(id));
    expect((await it.get('/ping')).text).toBe('Ok.\n');
    await it.sql("INSERT INTO rows VALUES (1, 'not waiting')");
    expect(await it.post('SELECT 1', { query_id: 'a' })).toMatchObject({ code: 216 });
    expect(ended).toBe(0);
    const full = new AbortController();
    // It is refused itself, or over, when a question comes at the wrong time.
    const fourth = (async (): Promise<void> => {
      while (!full.signal.aborted) await it.post('SELECT sleep(1)');
    })();
    try {
      await until(async () => (await it.post('SELECT 1')).code === 202);
    } finally {
      full.abort();
      await fourth;
    }
    for (const id of ids) await kill(id);
    for (const query of slow) expect(await query).toMatchObject({ code: 394 });
    expect((await it.post('SELECT 1')).status).toBe(200);
  });
});

describe('stopping queries', () => {
  test('max_execution_time gives code 159 and status 408', async () => {
    expect(await it.post(endless, { max_execution_time: '0.2' })).toMatchObject({ code: 159, status: 408 });
  });

  test("KILL QUERY by the client's query_id gives code 394", async () => {
    const query = it.post(endless, { query_id: 'kill-me' });
    await until(runs('kill-me'));
    await it.sql("KILL QUERY WHERE query_id = 'kill-me' SYNC");
    expect(await query).toMatchObject({ code: 394, status: 500 });
  });

  test('a query whose client has gone is stopped', async () => {
    const abort = new AbortController();
    const query = fetch(`${it.server.url}/?query_id=gone`, {
      method: 'POST',
      body: endless,
      signal: abort.signal,
    });
    await until(runs('gone'));
    abort.abort();
    await expect(query).rejects.toThrow();
    await until(async () => !(await runs('gone')()));
  });
});
