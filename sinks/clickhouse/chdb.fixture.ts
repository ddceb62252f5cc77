/** The real engine inside the test's process, for tests of what it makes of our bytes and our DDL. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Session } from 'chdb';

export interface Engine {
  run(sql: string): string;
  rows<T>(sql: string): T[];
  /** Inserts one Native block. */
  insertNative(table: string, block: Uint8Array, settings?: string): void;
  close(): void;
}

export function openEngine(): Engine {
  const dir = mkdtempSync(join(tmpdir(), 'weir-chdb-'));
  const session = new Session(join(dir, 'data'));
  const path = join(dir, 'block.native');
  const run = (sql: string, format = 'TabSeparated'): string => session.query(sql, format);
  return {
    run: (sql) => run(sql),
    rows: <T>(sql: string): T[] =>
      run(
        `${sql} SETTINGS output_format_json_quote_64bit_integers = 1, output_format_json_quote_decimals = 1, output_format_json_quote_denormals = 1`,
        'JSONEachRow',
      )
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as T),
    insertNative: (table, block, settings = '') => {
      writeFileSync(path, block);
      run(
        `INSERT INTO ${table} ${settings === '' ? '' : `SETTINGS ${settings} `}SELECT * FROM file('${path}', 'Native')`,
      );
    },
    close: () => {
      session.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
