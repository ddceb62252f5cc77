/**
 * Numbered migrations: `migrations/NNNN-name.sql`, what tables alone do not say: views, dictionaries, report tables.
 *
 * I1  A file is not changed once it is released: its checksum is recorded where it was applied. A change is a new file.
 * I2  Each statement can be repeated without harm, for a crash may come between it and the record of it. Of definitions that
 *     is checked (`IF NOT EXISTS`, `OR REPLACE`, `IF EXISTS`). An INSERT must go into a table in which a row that is there
 *     twice counts once (ReplacingMergeTree, max): nobody can check that here.
 * I3  One text serves one server and a cluster. These are replaced:
 *       {database}      the database, quoted
 *       {on_cluster}    ` ON CLUSTER ...`, or nothing
 *       {local}         `_local` on a cluster: goes after the name of a table that has rows of its own
 *       {replicated}    goes before the name of a MergeTree engine: on a cluster it is the replicated one, with path and replica
 *       {window}        the settings by which a table remembers deduplication tokens
 *       {distributed NAME BY EXPRESSION}  as a whole statement: NAME over NAME_local; nothing on one server
 *       {dictionary_source NAME}          a table or view of the database as the SOURCE of a dictionary
 *
 * A statement ends with `;` at the end of a line. Lines that begin with `--` are comments.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  distributedSql,
  localName,
  mergeTreeSql,
  onCluster,
  windowSql,
  type DatabaseTarget,
} from './cluster.ts';
import { SinkError } from './error.ts';
import { quoteName, quoteText } from './value-type.ts';

export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  readonly name: string;
  /** SHA-256 of the file, in hex. */
  readonly checksum: string;
  readonly statements: readonly string[];
}

const FILE = /^(\d{4})-([a-z0-9]+(?:-[a-z0-9]+)*)\.sql$/;

const REPEATABLE = [
  /^CREATE (TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) IF NOT EXISTS\s/,
  /^CREATE OR REPLACE (VIEW|DICTIONARY)\s/,
  /^DROP (TABLE|VIEW|DICTIONARY) IF EXISTS\s/,
  /^ALTER TABLE \S+ (ADD COLUMN IF NOT EXISTS|DROP COLUMN IF EXISTS|MODIFY COMMENT|MODIFY SETTING|MODIFY QUERY)\s/,
  /^INSERT INTO\s/,
  /^\{distributed \w+ BY [^}]+\}$/,
];

/** Reads a directory of migrations. Throws `migration-refused`, naming the file, where one is not as this file's header says. */
export function readMigrations(directory: string): readonly Migration[] {
  const migrations = readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => parseMigration(file, readFileSync(join(directory, file), 'utf8')));
  for (const [i, { number, name }] of migrations.entries()) {
    if (number !== i + 1)
      throw refused(
        `${fileOf({ number, name })}: number ${i + 1} comes next; numbers have no gaps and no doubles`,
      );
  }
  return migrations;
}

/** Parses one file. Throws `migration-refused`. */
export function parseMigration(file: string, text: string): Migration {
  const [, number, name] = FILE.exec(file) ?? [];
  if (number === undefined || name === undefined)
    throw refused(`${file}: a migration is named NNNN-name.sql, in lower case with dashes`);
  const statements = text
    .split('\n')
    .filter((line) => !line.startsWith('--'))
    .join('\n')
    .split(/;[ \t]*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
  if (statements.length === 0) throw refused(`${file}: has no statement`);
  for (const statement of statements) {
    if (REPEATABLE.some((form) => form.test(statement.replace(/\{on_cluster\}/g, '')))) continue;
    throw refused(
      `${file}: '${statement.slice(0, 60)}' cannot be repeated after a crash. Write CREATE ... IF NOT EXISTS, CREATE OR REPLACE VIEW or ` +
        'DICTIONARY, DROP ... IF EXISTS, ALTER TABLE ... ADD COLUMN IF NOT EXISTS, or INSERT INTO a table where a repeated row counts once',
    );
  }
  return {
    number: Number(number),
    name,
    checksum: createHash('sha256').update(text).digest('hex'),
    statements,
  };
}

/** The statements as ClickHouse gets them. Throws `migration-refused` for a placeholder that there is none of. */
export function renderMigration(migration: Migration, target: DatabaseTarget): readonly string[] {
  return migration.statements
    .map((statement) => render(migration, statement, target))
    .filter((statement) => statement !== '');
}

/** An engine with `{replicated}` before it is replaced as a whole: its path in Keeper has the name of the table. */
const PLACEHOLDER = /\{replicated\}(\w*)MergeTree(?:\(([^)]*)\))?|\{(\w+)(?: ([^}]*))?\}/g;

function render(migration: Migration, statement: string, target: DatabaseTarget): string {
  const table = /^CREATE TABLE IF NOT EXISTS \{database\}\.(\w+)\{local\}/.exec(statement)?.[1];
  return statement.replace(
    PLACEHOLDER,
    (whole, kind: string | undefined, own: string | undefined, word = 'replicated', rest = '') => {
      const text =
        kind === undefined
          ? placeholder(String(word), String(rest), target)
          : table && mergeTreeSql(target, table, kind, own);
      if (text !== undefined) return text;
      throw refused(
        kind === undefined
          ? `${fileOf(migration)}: there is no placeholder ${whole}`
          : `${fileOf(migration)}: {replicated} belongs into CREATE TABLE IF NOT EXISTS {database}.NAME{local}`,
      );
    },
  );
}

function placeholder(word: string, rest: string, { database, cluster }: DatabaseTarget): string | undefined {
  switch (word) {
    case 'database':
      return quoteName(database);
    case 'on_cluster':
      return onCluster(cluster);
    case 'local':
      return localName('', cluster);
    case 'window':
      return windowSql(cluster);
    case 'dictionary_source':
      return `CLICKHOUSE(TABLE ${quoteText(rest)} DB ${quoteText(database)})`;
    case 'distributed': {
      const [, name, shardBy] = /^(\w+) BY (.+)$/.exec(rest) ?? [];
      if (name === undefined) return undefined;
      return cluster === undefined ? '' : distributedSql(database, name, cluster, shardBy);
    }
    default:
      return undefined;
  }
}

/** `0001-name.sql` */
export function fileOf({ number, name }: Pick<Migration, 'number' | 'name'>): string {
  return `${String(number).padStart(4, '0')}-${name}.sql`;
}

export function refused(message: string): SinkError {
  return new SinkError('migration-refused', `migration ${message}`);
}
