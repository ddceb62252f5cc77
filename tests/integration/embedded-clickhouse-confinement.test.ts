import { readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Answer,
  newDirectory,
  startTestServer,
  type TestServer,
} from './embedded-clickhouse.fixture.ts';

/** What only a file outside of the data directory contains. */
const secret = 'what-no-client-reads';
const outsideBefore = ['secret.csv', 'x.sh'];

let it: TestServer;
let outside: string;
let listener: Server;
let port: number;
let connections = 0;
beforeAll(async () => {
  outside = await newDirectory();
  await writeFile(join(outside, 'secret.csv'), `1,${secret}\n`);
  await writeFile(join(outside, 'x.sh'), `#!/bin/sh\ntouch ${outside}/ran\necho 1,${secret}\n`, {
    mode: 0o755,
  });
  listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  it = await startTestServer({ defaultPassword: 'secret', readOnlyPassword: 'look' });
  await mustRun('CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a');
  await mustRun('CREATE TABLE s (id UInt64, v String) ENGINE = MergeTree ORDER BY id');
  await mustRun("INSERT INTO s VALUES (1, 'one')");
});
afterAll(async () => {
  await it.close();
  await new Promise((resolve) => listener.close(resolve));
  await rm(outside, { recursive: true, force: true });
});

const asDefault = (sql: string, parameters = {}): Promise<Answer> =>
  it.post(sql, { user: 'default', password: 'secret', ...parameters });
const asReader = (sql: string, parameters = {}): Promise<Answer> =>
  it.post(sql, { user: 'readonly', password: 'look', ...parameters });

async function mustRun(sql: string): Promise<string> {
  const answer = await asDefault(sql);
  expect(answer.text === '' || answer.code === 0 ? '' : answer.text).toBe('');
  return answer.text.trimEnd();
}

const fill = (pattern: string): string =>
  pattern
    .replaceAll('{dir}', outside)
    .replaceAll('{port}', String(port))
    .replaceAll('{secret}', `${outside}/secret.csv`);

/** Refused for both users, and nothing has happened: no file, no directory, no connection, no object. */
async function expectRefused(
  pattern: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<void> {
  const filled = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, fill(value)]));
  for (const answer of [await asDefault(fill(pattern), filled), await asReader(fill(pattern), filled)]) {
    // 1: not supported by the embedded engine.
    expect([497, 452, 164, 62, 48, 1], answer.text).toContain(answer.code);
    expect(answer.text).not.toContain(secret);
  }
  const left =
    "SELECT count() FROM system.tables WHERE name LIKE 'bad%' UNION ALL SELECT count() FROM system.databases WHERE name = 'bad'";
  expect(await mustRun(left)).toBe('0\n0');
  expect((await readdir(outside)).sort()).toEqual(outsideBefore);
  expect(connections).toBe(0);
}

const dictionary = (source: string, layout = 'FLAT()'): string =>
  `CREATE DICTIONARY bad (id UInt64, v String) PRIMARY KEY id SOURCE(${source}) LIFETIME(0) LAYOUT(${layout})`;

describe('dictionaries read tables of this server only', () => {
  test.each([
    dictionary("EXECUTABLE(COMMAND 'touch {dir}/ran; echo 1,hello' FORMAT 'CSV')"),
    dictionary("executable /**/ (command 'touch {dir}/ran' format 'CSV' implicit_key 1)"),
    dictionary("`EXECUTABLE`(COMMAND 'touch {dir}/ran' FORMAT 'CSV')"),
    dictionary("EXECUTABLE_POOL(COMMAND 'touch {dir}/ran' FORMAT 'CSV' SIZE 1)"),
    dictionary("HTTP(URL 'http://127.0.0.1:{port}/' FORMAT 'CSV')"),
    dictionary("FILE(PATH '{secret}' FORMAT 'CSV')"),
    dictionary("CLICKHOUSE(HOST '127.0.0.1' PORT {port} TABLE 's' DB 'default')"),
    dictionary("CLICKHOUSE(TABLE 's' DB 'default' host '127.0.0.1' port {port})"),
    dictionary("CLICKHOUSE(QUERY 'SELECT 1, file(''{secret}'')')"),
    dictionary("CLICKHOUSE(TABLE 's' DB 'default' WHERE 'file(''{secret}'') != ''''')"),
    dictionary("CLICKHOUSE(TABLE 's' DB 'default' INVALIDATE_QUERY 'SELECT file(''{secret}'')')"),
    dictionary("CLICKHOUSE(NAME 'collection')"),
    dictionary("MYSQL(HOST '127.0.0.1' PORT {port} USER 'a' PASSWORD 'b' DB 'c' TABLE 'd')"),
    dictionary("POSTGRESQL(HOST '127.0.0.1' PORT {port} USER 'a' PASSWORD 'b' DB 'c' TABLE 'd')"),
    dictionary("MONGODB(HOST '127.0.0.1' PORT {port} USER '' PASSWORD '' DB 'c' COLLECTION 'd')"),
    dictionary("REDIS(HOST '127.0.0.1' PORT {port})"),
    dictionary("CASSANDRA(HOST '127.0.0.1' PORT {port} KEYSPACE 'a' COLUMN_FAMILY 'b')"),
    dictionary("ODBC(CONNECTION_STRING 'DSN=x' TABLE 'y')"),
    dictionary("LIBRARY(PATH '{dir}/x.so')"),
    dictionary("YAMLRegExpTree(PATH '{secret}')", 'REGEXP_TREE()'),
    dictionary("CLICKHOUSE(TABLE 's' DB 'default')", "SSD_CACHE(PATH '{dir}/ssd' BLOCK_SIZE 4096)"),
    dictionary("CLICKHOUSE(TABLE 's' DB 'default')", "COMPLEX_KEY_SSD_CACHE(PATH '{dir}/ssd')"),
    dictionary("EXECUTABLE(COMMAND 'touch {dir}/ran')").replace('CREATE', 'CREATE OR REPLACE'),
    dictionary("EXECUTABLE(COMMAND 'touch {dir}/ran')").replace('CREATE', 'ATTACH'),
    "CREATE DICTIONARY bad (id UInt64, v String EXPRESSION file('{secret}')) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 's')) LIFETIME(0) LAYOUT(FLAT())",
  ])('refused: %s', (pattern) => expectRefused(pattern));

  test('of a table by name they work, in every direction of use', async () => {
    const source = "SOURCE(CLICKHOUSE(TABLE 's' DB 'default'))";
    await mustRun(
      `CREATE DICTIONARY d (id UInt64, v String) PRIMARY KEY id ${source} LIFETIME(0) LAYOUT(HASHED())`,
    );
    expect(await mustRun("SELECT dictGet('d', 'v', 1)")).toBe('one');
    await mustRun("INSERT INTO s VALUES (2, 'two')");
    await mustRun('SYSTEM RELOAD DICTIONARY d');
    expect((await asReader("SELECT dictGet('d', 'v', 2)")).text).toBe('two\n');
    await mustRun('DROP DICTIONARY d');
  });
});

describe('tables and databases stay in the data directory', () => {
  const table = (engine: string): string => `CREATE TABLE bad (a Int8) ENGINE = ${engine}`;
  test.each([
    table("EmbeddedRocksDB(0, '{dir}/rocks') PRIMARY KEY a"),
    table("`EmbeddedRocksDB`(0, '{dir}/rocks') PRIMARY KEY a"),
    table("Executable('x.sh', CSV)"),
    table("ExecutablePool('x.sh', CSV)"),
    table('File(CSV)'),
    table("FileLog('{dir}', 'CSV')"),
    table("URL('http://127.0.0.1:{port}/', CSV)"),
    table("S3('http://127.0.0.1:{port}/b/c', 'CSV')"),
    table("S3Queue('http://127.0.0.1:{port}/b/c', 'CSV') SETTINGS mode = 'unordered'"),
    table("AzureQueue('http://127.0.0.1:{port}', 'a', 'b', 'CSV')"),
    table("AzureBlobStorage('http://127.0.0.1:{port}', 'a', 'b', 'CSV')"),
    table("HDFS('hdfs://127.0.0.1:{port}/a', 'CSV')"),
    table("SQLite('{dir}/a.db', 'a')"),
    table("MySQL('127.0.0.1:{port}', 'a', 'b', 'c', 'd')"),
    table("PostgreSQL('127.0.0.1:{port}', 'a', 'b', 'c', 'd')"),
    table("MongoDB('127.0.0.1:{port}', 'a', 'b', 'c', 'd')"),
    table("Redis('127.0.0.1:{port}') PRIMARY KEY a"),
    table("Kafka('127.0.0.1:{port}', 'a', 'b', 'CSV')"),
    table("NATS SETTINGS nats_url = '127.0.0.1:{port}', nats_subjects = 'a', nats_format = 'CSV'"),
    table(
      "RabbitMQ SETTINGS rabbitmq_host_port = '127.0.0.1:{port}', rabbitmq_exchange_name = 'a', rabbitmq_format = 'CSV'",
    ),
    table("ODBC('DSN=x', 'a', 'b')"),
    table("JDBC('jdbc:x', 'a', 'b')"),
    table("IcebergLocal('{dir}/iceberg')"),
    table("IcebergS3('http://127.0.0.1:{port}/b/c')"),
    table("DeltaLakeLocal('{dir}/delta')"),
    table("DeltaLake('http://127.0.0.1:{port}/b/c')"),
    table("Hudi('http://127.0.0.1:{port}/b/c')"),
    table("PaimonLocal('{dir}/paimon')"),
    table("Distributed('c', 'default', 't')"),
    table("Remote('127.0.0.1:{port}', 'default', 't')"),
    table("KeeperMap('/x') PRIMARY KEY a"),
    table("ReplicatedMergeTree('/x', 'r') ORDER BY a"),
    table("YTsaurus('http://127.0.0.1:{port}', '//a', 'b')"),
    table("QueryRunner SETTINGS a = 'SELECT 1'"),
    'CREATE TABLE bad ENGINE = TimeSeries SAMPLES INNER ENGINE = File(CSV)',
    'CREATE TABLE bad (a Int8) ENGINE = {e:Identifier}',
    "create /* MergeTree */ table bad (a Int8) engine executable('x.sh', CSV)",
    "CREATE OR REPLACE TABLE bad (a Int8) ENGINE = Executable('x.sh', CSV)",
    "CREATE TEMPORARY TABLE bad (a Int8) ENGINE = Executable('x.sh', CSV)",
    "CREATE MATERIALIZED VIEW bad ENGINE = EmbeddedRocksDB(0, '{dir}/rocks') PRIMARY KEY a AS SELECT a FROM t",
    "ATTACH TABLE bad (a Int8) ENGINE = Executable('x.sh', CSV)",
    "ATTACH TABLE bad FROM '{dir}/attached' (a Int8) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE bad AS executable('x.sh', CSV, 'a Int8')",
    "CREATE DATABASE bad ENGINE = Filesystem('{dir}')",
    "CREATE DATABASE bad ENGINE = SQLite('{dir}/a.db')",
    "CREATE DATABASE bad ENGINE = MySQL('127.0.0.1:{port}', 'a', 'b', 'c')",
    "CREATE DATABASE bad ENGINE = PostgreSQL('127.0.0.1:{port}', 'a', 'b', 'c')",
    "CREATE DATABASE bad ENGINE = MaterializedPostgreSQL('127.0.0.1:{port}', 'a', 'b', 'c')",
    "CREATE DATABASE bad ENGINE = S3('http://127.0.0.1:{port}/b')",
    "CREATE DATABASE bad ENGINE = HDFS('hdfs://127.0.0.1:{port}')",
    "CREATE DATABASE bad ENGINE = Backup('default', File('{dir}/backup'))",
    "CREATE DATABASE bad ENGINE = DataLakeCatalog('http://127.0.0.1:{port}')",
  ])('refused: %s', (pattern) => expectRefused(pattern, { param_e: 'Executable' }));

  const merge = 'CREATE TABLE bad (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS';
  test.each([
    `${merge} disk = disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
    `${merge} disk = disk(type = local, path = '{dir}/disk/')`,
    `${merge}/**/ DISK = Disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
    `${merge} \`disk\` = disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
    `${merge} "di\\x73k" = disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
    `${merge} index_granularity = 100, disk = disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
    `${merge} disk = disk(name = 'x', type = object_storage, object_storage_type = s3, endpoint = 'http://127.0.0.1:{port}/b/')`,
    `${merge} disk = disk(type = cache, disk = 'default', path = '{dir}/cache/', max_size = '1Mi')`,
    `${merge} disk = 'default'`,
    `${merge} storage_policy = 'default'`,
    `${merge} "storage_policy" = 'default'`,
    `${merge} table_disk = 1, disk = disk(type = 'web', endpoint = 'http://127.0.0.1:{port}/')`,
    "CREATE TABLE bad (a Int8) ENGINE = Log SETTINGS disk = 'default'",
    "CREATE DATABASE bad ENGINE = Atomic SETTINGS disk = disk(type = 'local_blob_storage', path = '{dir}/disk/')",
    "CREATE MATERIALIZED VIEW bad ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local_blob_storage', path = '{dir}/disk/') AS SELECT a FROM t",
    "ALTER TABLE t MODIFY SETTING disk = disk(type = 'local_blob_storage', path = '{dir}/disk/')",
    "ALTER TABLE t MODIFY SETTING storage_policy = 'default'",
    'SELECT 1; ' + `${merge} disk = disk(type = 'local_blob_storage', path = '{dir}/disk/')`,
  ])('refused: %s', (pattern) => expectRefused(pattern));

  test('the engine itself keeps these settings constant, should a text slip by', async () => {
    const names = "'disk', 'table_disk', 'storage_policy'";
    expect(
      await mustRun(`SELECT count() FROM system.merge_tree_settings WHERE readonly AND name IN (${names})`),
    ).toBe('3');
    const others = "'dialect', 'format_schema', 'schema_inference_hints', 'allow_introspection_functions'";
    expect(await mustRun(`SELECT count() FROM system.settings WHERE readonly AND name IN (${others})`)).toBe(
      '4',
    );
    expect((await asDefault('SET allow_experimental_funnel_functions = 1')).code).toBe(164);
  });

  test.each([
    'MergeTree ORDER BY a', 'ReplacingMergeTree ORDER BY a', 'SummingMergeTree ORDER BY a', 'Memory', 'Log', 'Null',
    'StripeLog', 'Join(ANY, LEFT, a)', 'Set', "Merge(default, '^t$')", 'Buffer(default, t, 1, 1, 1, 1, 1, 1, 1)',
    'MergeTree ORDER BY a SETTINGS index_granularity = 100',
  ])('allowed: ENGINE = %s', async (engine) => {
    await mustRun(`CREATE TABLE fine (a String) ENGINE = ${engine}`);
    await mustRun('DROP TABLE fine');
  }); // prettier-ignore

  test('columns named after what is refused are usable', async () => {
    await mustRun(
      'CREATE TABLE odd (file String, disk String, engine String, source String) ENGINE = MergeTree ORDER BY disk SETTINGS index_granularity = 100',
    );
    await mustRun("INSERT INTO odd (file, disk, engine) VALUES ('f', 'sda', 'File')");
    expect(
      await mustRun(
        "SELECT file, concat(disk, '/', file), odd.file FROM odd WHERE disk = 'sda' AND engine = 'File'",
      ),
    ).toBe('f\tsda/f\tf');
    await mustRun('CREATE VIEW odd_view AS SELECT file, engine FROM odd WHERE engine = disk');
    await mustRun("ALTER TABLE odd DELETE WHERE disk = 'sda'");
    await mustRun('DROP TABLE odd_view');
    await mustRun('DROP TABLE odd');
  });
});

describe('nothing else leads out', () => {
  test.each([
    "CREATE NAMED COLLECTION bad AS url = 'http://127.0.0.1:{port}/'",
    'CREATE WORKLOAD all',
    'CREATE RESOURCE bad (WRITE DISK default)',
    "CREATE FUNCTION bad LANGUAGE WASM FROM 'x'",
    "CREATE FUNCTION bad ENGINE = Driver('x') AS 'touch {dir}/ran'",
    'SYSTEM RELOAD CONFIG',
    'SYSTEM RELOAD USERS',
    'SYSTEM SHUTDOWN',
    'SYSTEM JEMALLOC FLUSH PROFILE',
    'SYSTEM START LISTEN HTTP',
    "ALTER TABLE t FREEZE WITH NAME 'bad'",
    "ALTER TABLE t FETCH PARTITION tuple() FROM '/x'",
    "BACKUP TABLE t TO File('{dir}/backup')",
    "RESTORE TABLE t AS bad FROM File('{dir}/backup')",
    "RESTORE TABLE t AS bad FROM S3('http://127.0.0.1:{port}/b/c')",
    "INSERT INTO FUNCTION file('{dir}/a', CSV) SELECT 1",
    "INSERT INTO TABLE FUNCTION file('{dir}/a', CSV) SELECT 1",
    "INSERT INTO TABLE FUNCTION url('http://127.0.0.1:{port}/', CSV, 'a Int8') FORMAT CSV\n1",
    "INSERT INTO TABLE FUNCTION executable('x.sh', CSV, 'a Int8') VALUES (1)",
    'CREATE VIEW bad SQL SECURITY NONE AS SELECT 1',
    "SELECT catboostEvaluate('{dir}/x', 1)",
    "SELECT * FROM executable('x.sh', CSV, 'a Int8')",
    "SELECT * FROM filesystem('{dir}')",
    "SELECT * FROM loop(file('{secret}', LineAsString)) LIMIT 1",
    "SELECT * FROM viewIfPermitted(SELECT a FROM t ELSE file('{secret}', LineAsString))",
    "SELECT * FROM eval(concat('SELECT fi', 'le(''{secret}'')')) SETTINGS allow_experimental_eval_table_function = 1",
    'SET allow_experimental_eval_table_function = 1',
    "SET dialect = 'prql'",
    "SET format_schema = '{secret}'",
    "SELECT 1 SETTINGS schema_inference_hints = 'a String'",
  ])('refused: %s', (pattern) => expectRefused(pattern));

  const call = "file(\\'{secret}\\')";
  test.each([
    "SELECT arrayMap(file, ['{secret}'])",
    "SELECT arrayMap(`file`, ['{secret}'])",
    "SELECT arrayMap({f:Identifier}, ['{secret}'])",
    `SELECT * FROM format(JSONEachRow, 'a String, b String DEFAULT ${call}', '{"a":"1"}')`,
    `SELECT * FROM format(JSONEachRow, concat('a String, b String DEFAULT fi', 'le(\\'{secret}\\')'), '{"a":"1"}')`,
    `SELECT * FROM format(JSONEachRow, 'a String, b String DEFAULT \`fi\\\\x6ce\`(\\'{secret}\\')', '{"a":"1"}')`,
    `SELECT * FROM format(JSONEachRow, {s:String}, '{"a":"1"}')`,
    `SELECT * FROM format(Values, 'a String', '(${call})')`,
    `CREATE VIEW bad AS SELECT * FROM format(Values, 'a String', '(${call})')`,
    `CREATE FUNCTION bad AS x -> (SELECT * FROM format(Values, 'a String', x))`,
    `CREATE TABLE bad AS null('a String, b String DEFAULT ${call}')`,
    `CREATE TABLE bad AS values(concat('a String, b String DEFAULT fi', 'le(\\'{secret}\\')'), ('x'))`,
    `CREATE TABLE bad AS generateRandom('a String, b String DEFAULT ${call}')`,
    `SELECT count() FROM t SETTINGS additional_table_filters = {'t': '${call} = 1'}`,
    `SELECT 1 SETTINGS additional_result_filter = '${call} = 1'`,
    `SELECT 1 SETTINGS additional_result_filter = {s:String}`,
    `INSERT INTO t SETTINGS "input_format_values_interpret\\x5fexpressions" = 1 VALUES ('x')`,
  ])('SQL in strings and names as functions: %s', (pattern) =>
    expectRefused(pattern, { param_f: 'file', param_s: "b String DEFAULT file('{secret}')" }),
  );

  test('a filter by the URL cannot read files', () =>
    expectRefused('SELECT 1', { additional_result_filter: "file('{secret}') = 1" }));

  test.each([
    "INSERT INTO t VALUES (`fi\\x6ce`('{secret}'))",
    "INSERT INTO t VALUES ((SELECT b FROM format(JSONEachRow, concat('a String, b String DEFAULT fi', 'le(''{secret}'')'), '{\"a\":\"1\"}')))",
  ])('expressions in data: %s', async (pattern) => {
    const answer = await asDefault(fill(pattern));
    expect(answer.code).not.toBe(0);
    expect(await mustRun('SELECT a FROM t')).toBe('');
  });

  test('filters, structures and expressions without calls work as ever', async () => {
    expect(
      await mustRun("SELECT v FROM s WHERE id < 2 SETTINGS additional_table_filters = {'s': 'id != 1'}"),
    ).toBe('');
    expect(await mustRun(`SELECT * FROM format(JSONEachRow, 'a String', '{"a":"1"}')`)).toBe('1');
    expect(await mustRun("SELECT format('{} {}', 'a', 'b'), arrayMap(length, ['ab'])")).toBe('a b\t[2]');
    expect(await mustRun("SELECT * FROM values('a String, b UInt8', ('x', 1), ('y', 2)) ORDER BY a")).toBe(
      'x\t1\ny\t2',
    );
    expect(await mustRun("SELECT * FROM values((1, 'profile'))")).toBe('1\tprofile');
    await mustRun("INSERT INTO t VALUES (upper('x'))");
    expect(await mustRun('SELECT a FROM t')).toBe('X');
    await mustRun('TRUNCATE TABLE t');
  });
});

test('an engine can be allowed by the configuration', async () => {
  const allowing = await startTestServer({ allowedEngines: ['Kafka'] });
  try {
    const engine = (name: string): string =>
      `CREATE TABLE k (a Int8) ENGINE = ${name}('127.0.0.1:1', 'a', 'b', 'CSV')`;
    await allowing.sql(engine('Kafka'));
    await allowing.sql('DROP TABLE k');
    expect((await allowing.post(engine('MySQL'))).code).toBe(497);
  } finally {
    await allowing.close();
  }
});
