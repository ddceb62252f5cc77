import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';
import {
  type Answer,
  newDirectory,
  startTestServer,
  type TestServer,
} from './embedded-clickhouse.fixture.ts';

let it: TestServer;
let target: string;
beforeAll(async () => {
  it = await startTestServer({ defaultPassword: 'secret', readOnlyPassword: 'look' });
  target = join(it.dataDir, 'written');
  await asDefault('CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a');
  await asDefault("INSERT INTO t VALUES ('kept')");
});
afterAll(async () => {
  expect(existsSync(target)).toBe(false);
  await it.close();
});

const asDefault = (sql: string, parameters = {}): Promise<Answer> =>
  it.post(sql, { user: 'default', password: 'secret', ...parameters });
const asReader = (sql: string, parameters = {}): Promise<Answer> =>
  it.post(sql, { user: 'readonly', password: 'look', ...parameters });

describe('who may come in', () => {
  const basic = (text: string): Record<string, string> => ({
    Authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });

  test.each([
    ['Basic', '/?query=SELECT%201', basic('default:secret')],
    ['headers', '/?query=SELECT%201', { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': 'secret' }],
    ['the URL', '/?query=SELECT%201&user=default&password=secret', {}],
    ['the read-only user', '/?query=SELECT%201', basic('readonly:look')],
  ])('with the right password by %s', async (_, path, headers) => {
    expect(await it.get(path, headers)).toMatchObject({ status: 200, text: '1\n' });
  });

  test.each([
    ['no password', '/?query=SELECT%201', {}],
    ['a wrong one', '/?query=SELECT%201', basic('default:Secret')],
    ["the other user's", '/?query=SELECT%201', basic('readonly:secret')],
    ['an unknown user', '/?query=SELECT%201', basic('admin:')],
    ['two ways at once', '/?query=SELECT%201&password=secret', basic('default:secret')],
    ['a token', '/?query=SELECT%201', { Authorization: 'Bearer x' }],
  ])('not with %s', async (_, path, headers) => {
    expect(await it.get(path, headers)).toMatchObject({ status: 403, code: 516 });
  });

  test('ping needs no password', async () => {
    expect((await it.get('/ping')).text).toBe('Ok.\n');
  });

  test.each([
    ['a re-bound name', { Host: 'evil.example:80' }],
    ['another origin', { Origin: 'http://evil.example' }],
    ['a sandboxed page', { Origin: 'null' }],
    ['an image of another site', { 'Sec-Fetch-Site': 'cross-site' }],
  ])('web pages are kept out: %s', async (_, headers) => {
    const answer = await it.get('/?query=SELECT%201&user=default&password=secret', headers);
    expect(answer.status).toBe(403);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('an address beyond this host needs passwords', async () => {
    const config = { dataDir: await newDirectory(), host: '0.0.0.0' };
    await expect(startEmbeddedServer(config)).rejects.toMatchObject({ code: 'unsafe-host' });
    await expect(
      startEmbeddedServer({ ...config, defaultPassword: 'x', readOnlyPassword: '' }),
    ).rejects.toMatchObject({
      code: 'unsafe-host',
    });
  });
});

describe('the read-only user', () => {
  test('reads tables, system tables and parameters', async () => {
    expect((await asReader('SELECT a FROM t')).text).toBe('kept\n');
    expect((await asReader('SHOW TABLES')).text).toBe('t\n');
    expect((await asReader('DESCRIBE t')).status).toBe(200);
    expect((await asReader('SELECT {a:String} FROM system.one', { param_a: 'x' })).text).toBe('x\n');
    expect((await asReader('SELECT 1', { max_execution_time: '5' })).status).toBe(200);
  });

  test.each([
    "INSERT INTO t VALUES ('x')",
    "INSERT INTO t SELECT 'x'",
    "/* SELECT 1 */ INSERT INTO t VALUES ('x')",
    '-- \nINSERT INTO t FORMAT CSV\nx',
    "WITH 'x' AS x INSERT INTO t SELECT x",
    "SELECT 1; INSERT INTO t VALUES ('x')",
    'SELECT 1; DROP TABLE t',
    'DROP TABLE t',
    'TRUNCATE TABLE t',
    'ALTER TABLE t DELETE WHERE 1',
    'DELETE FROM t WHERE 1',
    'OPTIMIZE TABLE t FINAL',
    'CREATE TABLE u (a Int8) ENGINE = Memory',
    'CREATE TEMPORARY TABLE u (a Int8)',
    'CREATE FUNCTION f AS x -> x',
    'ATTACH TABLE u',
    'DETACH TABLE t',
    'RENAME TABLE t TO u',
    'SYSTEM FLUSH LOGS',
    'SYSTEM SHUTDOWN',
    'KILL QUERY WHERE 1',
    'SET max_threads = 1',
    'SET readonly = 0',
    'SELECT 1 SETTINGS readonly = 0',
    'SELECT 1 SETTINGS max_threads = 7',
    'SELECT * FROM (SELECT 1 SETTINGS max_threads = 7)',
    'EXPLAIN SELECT 1 SETTINGS readonly = 0',
    'CREATE USER x',
    'GRANT ALL ON *.* TO readonly',
    'SET ROLE NONE',
    'SELECT 1 SETTINGS max_threads = 1 UNION ALL SELECT 2',
    'EXECUTE AS default SELECT 1',
    'BACKUP TABLE t TO Null',
    'SELECT 1 PARALLEL WITH DROP TABLE t',
    "EXPLAIN AST DROP TABLE t INTO OUTFILE '/dev/null'",
  ])('cannot: %s', async (sql) => {
    const answer = await asReader(sql);
    expect([164, 497, 62, 48]).toContain(answer.code);
    expect((await asDefault('SELECT a FROM t')).text).toBe('kept\n');
  });

  test.each([
    { readonly: '0', query: "INSERT INTO t VALUES ('x')" },
    { max_threads: '7', query: 'SELECT 1' },
    { session_id: 'a', query: 'SET readonly = 0' },
    { log_comment: 'x', query: "INSERT INTO t SELECT 'x'" },
  ])('cannot by URL: %o', async (parameters: Record<string, string>) => {
    expect([164, 62]).toContain((await asReader('', parameters)).code);
    expect((await asDefault('SELECT a FROM t')).text).toBe('kept\n');
  });

  test('stays read-only through a session', async () => {
    const session = { session_id: 'reader' };
    expect((await asReader('SELECT 1', session)).text).toBe('1\n');
    expect((await asReader('SELECT a FROM t', session)).text).toBe('kept\n');
    expect((await asReader('SET readonly = 0', session)).code).toBe(164);
    expect((await asReader("INSERT INTO t VALUES ('x')", session)).code).toBe(164);
  });

  test('GET is read-only for everyone, but takes settings', async () => {
    const login = '&user=default&password=secret';
    expect((await it.get(`/?query=SELECT+getSetting('max_threads')&max_threads=2${login}`)).text).toBe('2\n');
    for (const query of [
      'DROP+TABLE+t',
      "INSERT+INTO+t+VALUES('x')",
      'SET+readonly=0',
      'SELECT+1+SETTINGS+readonly=0',
    ]) {
      expect((await it.get(`/?query=${query}${login}`)).code).toBe(164);
    }
  });
});

describe("files of the host are out of everyone's reach", () => {
  test.each([
    "SELECT file('/etc/passwd')",
    'SELECT "file"(\'/etc/passwd\')',
    "SELECT /**/ file /**/ ('/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', LineAsString)",
    'SELECT * FROM `/etc/passwd`',
    "CREATE VIEW v AS SELECT file('/etc/passwd')",
    "CREATE TABLE u (a String DEFAULT file('/etc/passwd')) ENGINE = Memory",
    'CREATE TABLE u (a String) ENGINE = File(CSV)',
    'CREATE FUNCTION f AS x -> file(x)',
    "INSERT INTO t VALUES (file('/etc/passwd'))",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT LineAsString",
    'INSERT INTO t /**/ FROM --\n INFILE $$/etc/passwd$$ FORMAT LineAsString',
    "SELECT * FROM format(Values, 'a String', '(file(\\'/etc/passwd\\'))')",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '/etc/passwd'",
    "SELECT * FROM url('http://127.0.0.1:1', CSV, 'a String')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM executable('id', CSV, 'a String')",
    "SELECT 1 INTO OUTFILE '{target}'",
    'SELECT 1 INTO /**/ OUTFILE $x${target}$x$',
    "(SELECT 1) INTO OUTFILE '{target}' FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{target}'",
    "INSERT INTO FUNCTION file('{target}', CSV) SELECT 1",
    "BACKUP TABLE t TO File('{target}')",
    "CREATE DATABASE d ENGINE = Filesystem('/etc')",
    'SYSTEM SHUTDOWN',
    'CREATE USER intruder',
  ])('refused: %s', async (pattern) => {
    const sql = pattern.replace('{target}', target);
    for (const answer of [await asDefault(sql), await asReader(sql)]) {
      expect(answer.code).not.toBe(0);
      expect(answer.text).not.toContain('root:');
    }
  });
});
