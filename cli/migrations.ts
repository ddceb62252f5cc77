/** The migrations of the package: `sinks/clickhouse/migrations/*.sql`. They are of the tables of `weirApp`. */
import { join } from 'node:path';
import { readMigrations, type Migration } from '#sinks/clickhouse/migration.ts';
import { packageRoot } from './package-root.ts';

/** All of them, in order. Throws `migration-refused` for a file that is not as it must be. */
export function allMigrations(): readonly Migration[] {
  return readMigrations(join(packageRoot(), 'sinks/clickhouse/migrations'));
}
