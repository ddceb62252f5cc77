/**
 * Applies migrations: each once, in order, recorded in `weir_migrations`.
 *
 * I1  A migration is recorded after its last statement. A crash before that repeats it, which does no harm (migration.ts, I2).
 * I2  One process applies at a time (migration-lock.ts). What is applied is read again under the lock.
 * I3  Nothing is applied to a database that is not a beginning of this build's list: an applied file that has changed or is gone
 *     is refused, and so is a database that a newer build has migrated.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { catchUp, createBookkeeping } from './bookkeeping.ts';
import { DDL, type DatabaseTarget } from './cluster.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { MigrationLock, type LockConfig } from './migration-lock.ts';
import { fileOf, refused, renderMigration, type Migration } from './migration.ts';
import { quoteName } from './value-type.ts';

interface Applied {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
}

/**
 * Applies what is not applied yet to a database that exists, with the tables that the migrations read from. `migrations` in order.
 *
 * Rejects with `migration-refused` (I3, or another process holds the lock for too long), or as ClickHouse answers, naming file
 * and statement. What was applied before stays applied.
 */
export async function applyMigrations(
  client: ClickHouseClient,
  target: DatabaseTarget,
  migrations: readonly Migration[],
  lockConfig: LockConfig = {},
): Promise<void> {
  const place = `migrations of database ${target.database}`;
  await naming(place, () => createRecord(client, target));
  const pending = async (): Promise<readonly Migration[]> =>
    pendingOf(target, migrations, await naming(place, () => appliedIn(client, target)));
  // Most starts have nothing to apply, and need no lock.
  if ((await pending()).length === 0) return;
  const lock = new MigrationLock(client, target, lockConfig);
  await naming(place, () => lock.acquire());
  try {
    for (const migration of await pending()) await apply(client, target, lock, migration);
  } finally {
    await lock.release();
  }
}

async function apply(
  client: ClickHouseClient,
  target: DatabaseTarget,
  lock: MigrationLock,
  migration: Migration,
): Promise<void> {
  const statements = renderMigration(migration, target);
  for (const [i, query] of statements.entries()) {
    await naming(`migration ${fileOf(migration)}, statement ${i + 1} of ${statements.length}`, () =>
      lock.during(migration, async () => {
        await client.command({
          query,
          clickhouse_settings: { ...DDL, async_insert: 0, distributed_foreground_insert: 1 },
        });
      }),
    );
  }
  const { number, name, checksum } = migration;
  await naming(`migration ${fileOf(migration)}, its record`, () =>
    lock.during(migration, async () => {
      await client.command({
        query: `INSERT INTO ${recordOf(target)} SELECT {number:UInt32}, {name:String}, {checksum:String}, now64(3)`,
        query_params: { number, name, checksum },
        clickhouse_settings: { async_insert: 0 },
      });
    }),
  );
}

/** What is still to be applied. Throws `migration-refused` (I3). */
export function pendingOf(
  { database }: DatabaseTarget,
  migrations: readonly Migration[],
  applied: readonly Applied[],
): readonly Migration[] {
  for (const { number, name, checksum } of applied) {
    const own = migrations.find((migration) => migration.number === number);
    const file = fileOf({ number, name });
    if (own === undefined)
      throw refused(
        `${file} was applied to database ${database}, and this build does not have it: a newer weir has been here. Run that, or a newer one`,
      );
    if (own.name !== name || own.checksum !== checksum)
      throw refused(
        `${file} was applied to database ${database}, and is another file now (${fileOf(own)}, checksum ${own.checksum.slice(0, 12)} instead of ` +
          `${checksum.slice(0, 12)}). Restore it as it was, and make the change in a new migration`,
      );
  }
  const done = new Set(applied.map(({ number }) => number));
  const pending = migrations.filter(({ number }) => !done.has(number));
  const early = pending.find(({ number }) => applied.some((one) => one.number > number));
  if (early !== undefined)
    throw refused(
      `${fileOf(early)} is not applied to database ${database}, but later ones are. Give it the next number after them`,
    );
  return pending;
}

async function createRecord(client: ClickHouseClient, target: DatabaseTarget): Promise<void> {
  await createBookkeeping(client, target, 'weir_migrations', {
    columns: `(
    number UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'UTC')
)`,
    rest: `ORDER BY number COMMENT 'Migrations of weir that are applied to this database'`,
  });
}

/** One for each that is applied; the first record counts, should a migration have several. */
async function appliedIn(client: ClickHouseClient, target: DatabaseTarget): Promise<readonly Applied[]> {
  await catchUp(client, target, 'weir_migrations');
  const result = await client.query({
    query: `SELECT number, argMin(name, applied_at) AS name, argMin(checksum, applied_at) AS checksum
FROM ${recordOf(target)} GROUP BY number ORDER BY number`,
    format: 'JSONEachRow',
  });
  return result.json<Applied>();
}

const recordOf = ({ database }: DatabaseTarget): string => `${quoteName(database)}.\`weir_migrations\``;

async function naming<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SinkError) throw error;
    throw describeFailure(error, classify(error), place);
  }
}
