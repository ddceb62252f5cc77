import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEngine, type Engine } from './chdb.fixture.ts';
import { pendingOf } from './apply-migrations.ts';
import { parseMigration, readMigrations, renderMigration } from './migration.ts';
import { quoteText } from './value-type.ts';

const own = fileURLToPath(new URL('migrations/', import.meta.url));
const view = 'CREATE OR REPLACE VIEW {database}.v{on_cluster} AS SELECT 1;';

describe('parseMigration', () => {
  test('cuts at semicolons that end a line, and leaves comments out', () => {
    const text = `-- why; because\n${view}\n\nINSERT INTO {database}.t SELECT ';'\n  AS x;\n`;
    expect(parseMigration('0007-two-things.sql', text)).toMatchObject({
      number: 7,
      name: 'two-things',
      statements: [view.slice(0, -1), "INSERT INTO {database}.t SELECT ';'\n  AS x"],
    });
  });

  test.each([
    ['7-view.sql', view, /NNNN-name\.sql/],
    ['0001-View.sql', view, /NNNN-name\.sql/],
    ['0001-view.sql', '-- nothing', /has no statement/],
    [
      '0001-view.sql',
      'CREATE VIEW {database}.v AS SELECT 1;',
      /0001-view\.sql: 'CREATE VIEW .* cannot be repeated/,
    ],
    ['0001-view.sql', `${view}\nTRUNCATE TABLE {database}.t;`, /'TRUNCATE TABLE .* cannot be repeated/],
    ['0001-view.sql', 'DROP TABLE {database}.t;', /cannot be repeated/],
    ['0001-view.sql', 'ALTER TABLE {database}.t ADD COLUMN x Int32;', /cannot be repeated/],
  ])('refuses %s with %j', (file, text, message) => {
    expect(() => parseMigration(file, text)).toThrow(message);
  });

  test('any change of the text changes the checksum', () => {
    const checksum = (text: string): string => parseMigration('0001-view.sql', text).checksum;
    expect(checksum(view)).toBe(checksum(view));
    expect(checksum(`${view} `)).not.toBe(checksum(view));
  });
});

describe('readMigrations', () => {
  test.each([
    ['a gap', ['0001-a.sql', '0003-c.sql'], /0003-c\.sql: number 2 comes next/],
    ['a number twice', ['0001-a.sql', '0001-b.sql'], /0001-b\.sql: number 2 comes next/],
    ['a beginning other than 1', ['0002-a.sql'], /0002-a\.sql: number 1 comes next/],
  ])('refuses %s', (_, files, message) => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-migrations-'));
    try {
      for (const file of files) writeFileSync(join(directory, file), view);
      expect(() => readMigrations(directory)).toThrow(message);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('pendingOf', () => {
  const all = ['0001-a.sql', '0002-b.sql', '0003-c.sql'].map((file) => parseMigration(file, view));
  const [a, b, c] = [all[0]!, all[1]!, all[2]!];

  test('is what follows the applied ones', () => {
    expect(pendingOf({ database: 'x' }, all, [a])).toEqual([b, c]);
    expect(pendingOf({ database: 'x' }, all, all)).toEqual([]);
  });

  test.each([
    [
      'changed',
      [{ ...a, checksum: '0'.repeat(64) }],
      /0001-a\.sql was applied to database x, and is another file now/,
    ],
    ['renamed', [{ ...a, name: 'z' }], /0001-z\.sql was applied .* another file now \(0001-a\.sql/],
    ['of a newer build', [{ ...a, number: 4 }], /0004-a\.sql was applied .* a newer weir has been here/],
    ['applied out of order', [a, c], /0002-b\.sql is not applied to database x, but later ones are/],
  ])('refuses one that is %s', (_, applied, message) => {
    expect(() => pendingOf({ database: 'x' }, all, applied)).toThrow(message);
  });
});

describe('renderMigration', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = openEngine();
  });
  afterAll(() => {
    engine.close();
  });
  const targets = {
    plain: { database: 'weir' },
    cluster: { database: 'weir', cluster: { name: 'main' } },
  };

  test.each(['plain', 'cluster'] as const)('the migrations of weir, %s, are as in golden/', (variant) => {
    const sql = readMigrations(own)
      .flatMap((migration) => renderMigration(migration, targets[variant]))
      .map((statement) => `${statement};\n`)
      .join('\n');
    const golden = new URL(`golden/migrations-${variant}.sql`, import.meta.url);
    if (process.env['WEIR_WRITE_GOLDEN'] === '1' && process.env['CI'] === undefined)
      writeFileSync(golden, sql);
    expect(sql).toBe(readFileSync(golden, 'utf8'));
  });

  test.each(['plain', 'cluster'] as const)('the engine parses each statement, %s', (variant) => {
    for (const migration of readMigrations(own)) {
      for (const statement of renderMigration(migration, targets[variant]))
        expect(engine.run(`SELECT length(formatQuerySingleLine(${quoteText(statement)})) > 0`).trim()).toBe(
          '1',
        );
    }
  });

  test('refuses a placeholder that there is none of', () => {
    const migration = parseMigration('0001-view.sql', 'CREATE OR REPLACE VIEW {databse}.v AS SELECT 1;');
    expect(() => renderMigration(migration, targets.plain)).toThrow(
      /0001-view\.sql: there is no placeholder \{databse\}/,
    );
  });
});
