/** Migrations on the real engine: applied once, by one process, again after a crash, and refused where they are not the database's. */
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { allMigrations } from '#cli/migrations.ts';
import { applyMigrations } from '#sinks/clickhouse/apply-migrations.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { parseMigration, renderMigration, type Migration } from '#sinks/clickhouse/migration.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';

let it: TestServer;
let client: ClickHouseClient;
let databases = 0;
let database = '';
beforeAll(async () => {
  it = await startTestServer();
  client = openClient({ url: it.server.url });
});
afterAll(async () => {
  await client.close();
  await it.close();
});
beforeEach(async () => {
  databases += 1;
  database = `migrated_${databases}`;
  await command('CREATE DATABASE $db');
});

async function command(query: string, settings: Record<string, string | number> = {}): Promise<void> {
  await client.command({ query: query.replaceAll('$db', database), clickhouse_settings: settings });
}

async function rows(query: string): Promise<readonly unknown[]> {
  const result = await client.query({
    query: query.replaceAll('$db', database),
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json();
}

const tables = (): readonly Table[] => weirApp.streams.map((stream) => tableOf(stream, database));

/** One that counts, in a table that forgives nothing, how often it was applied. */
const counting = (number: number, extra = ''): Migration =>
  parseMigration(
    `000${number}-count.sql`,
    `CREATE TABLE IF NOT EXISTS {database}.applied (number UInt32) ENGINE = MergeTree ORDER BY number;
INSERT INTO {database}.applied SELECT ${number}${extra};`,
  );
/** A lease that no slow machine outlives. */
const longMs = 600_000;
const apply = (migrations: readonly Migration[], leaseMs = longMs): Promise<void> =>
  applyMigrations(client, { database }, migrations, { leaseMs });

describe('applyMigrations', () => {
  test('applies each once, in order, and records it; what is new comes later', async () => {
    await apply([counting(1), counting(2)]);
    await apply([counting(1), counting(2)]);
    await apply([counting(1), counting(2), counting(3)]);
    expect(await rows('SELECT number FROM $db.applied ORDER BY number')).toEqual([
      { number: 1 },
      { number: 2 },
      { number: 3 },
    ]);
    expect(
      await rows(
        'SELECT number, name, length(checksum) AS l FROM $db.weir_migrations ORDER BY applied_at, number',
      ),
    ).toEqual([1, 2, 3].map((number) => ({ number, name: 'count', l: 64 })));
  });

  test('of eight processes at once, one applies', async () => {
    const clients = Array.from({ length: 8 }, () => openClient({ url: it.server.url }));
    try {
      const both = [counting(1, ' FROM (SELECT sleep(0.3))'), counting(2)];
      await Promise.all(clients.map((one) => applyMigrations(one, { database }, both, { leaseMs: longMs })));
    } finally {
      await Promise.all(clients.map((one) => one.close()));
    }
    expect(await rows('SELECT number FROM $db.applied ORDER BY number')).toEqual([
      { number: 1 },
      { number: 2 },
    ]);
    expect(await rows('SELECT count() AS n FROM $db.weir_migrations')).toEqual([{ n: 2 }]);
  });

  test('stops at a statement that fails, naming it; mended, it goes on and repeats what came before in the file', async () => {
    const text = (column: string): string =>
      `CREATE TABLE IF NOT EXISTS {database}.t (id String) ENGINE = MergeTree ORDER BY id;
CREATE OR REPLACE VIEW {database}.v AS SELECT ${column} FROM {database}.t;`;
    await expect(apply([counting(1), parseMigration('0002-view.sql', text('missing'))])).rejects.toThrow(
      /migration 0002-view\.sql, statement 2 of 2: .*missing/s,
    );
    expect(await rows('SELECT number FROM $db.weir_migrations')).toEqual([{ number: 1 }]);
    await apply([counting(1), parseMigration('0002-view.sql', text('id'))]);
    expect(await rows('SELECT count() AS n FROM $db.v')).toEqual([{ n: 0 }]);
    expect(await rows('SELECT number FROM $db.applied')).toEqual([{ number: 1 }]);
  });

  test('waits for the lock of a process that died, no longer than its lease', async () => {
    await apply([counting(1)]);
    const leaseMs = 1_500;
    const start = performance.now();
    await command("INSERT INTO $db.weir_migration_lock SELECT 'dead', 'process 1 on gone', 'held', now64(6)");
    await apply([counting(1), counting(2)], leaseMs);
    expect(performance.now() - start).toBeGreaterThan(leaseMs * 0.8);
    expect(await rows('SELECT count() AS n FROM $db.weir_migrations')).toEqual([{ n: 2 }]);
  });

  test('says who has the lock when that takes too long', async () => {
    await apply([counting(1)]);
    await command(
      "INSERT INTO $db.weir_migration_lock SELECT 'other', 'process 7 on elsewhere', 'held', now64(6)",
    );
    await expect(
      applyMigrations(client, { database }, [counting(1), counting(2)], { leaseMs: longMs, waitMs: 300 }),
    ).rejects.toMatchObject({
      code: 'migration-refused',
      message: expect.stringContaining('process 7 on elsewhere') as string,
    });
  });

  test('goes no further when another process has taken the lock over', async () => {
    await apply([counting(1)]);
    const taking = parseMigration(
      '0002-slow.sql',
      `INSERT INTO {database}.weir_migration_lock SELECT 'other', 'process 7 on elsewhere', 'held', now64(6);
INSERT INTO {database}.applied SELECT 99;`,
    );
    await expect(apply([counting(1), taking])).rejects.toThrow(
      /0002-slow\.sql: .*process 7 on elsewhere has gone on/,
    );
    expect(await rows('SELECT number FROM $db.applied')).toEqual([{ number: 1 }]);
    expect(await rows('SELECT number FROM $db.weir_migrations')).toEqual([{ number: 1 }]);
  });

  test.each<[string, () => readonly Migration[], RegExp]>([
    [
      'a file that has changed',
      () => [counting(1), counting(2, ' + 1')],
      /0002-count\.sql was applied .* is another file now/,
    ],
    [
      'a database that a newer build has migrated',
      () => [counting(1)],
      /0002-count\.sql was applied .* newer weir/,
    ],
  ])('refuses %s', async (_, then, message) => {
    await apply([counting(1), counting(2)]);
    await expect(apply(then())).rejects.toMatchObject({
      code: 'migration-refused',
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('the migrations of weir', () => {
  const transition = (device: string, to: string, at: string, offset: number): string =>
    `('${device}', 'vm-1', '${to}', ${offset}, 'because', '${at}', 'migration.transitions', 1, ${offset})`;
  const insert =
    'INSERT INTO $db.migration_transitions (device_id, vm_id, `to`, path_epoch, reason, at, _topic, _partition, _offset) VALUES ';

  test('bring what is in the tables already, and follow what comes; every target remembers tokens', async () => {
    // Tables first, rows next: as where an older weir has run.
    await prepareTables(client, tables());
    await command(insert + transition('a', 'standby', '2099-01-01 00:00:00', 1));
    await prepareTables(client, tables(), allMigrations());
    const settings = {
      insert_deduplication_token: 'once',
      deduplicate_blocks_in_dependent_materialized_views: 1,
      async_insert: 0,
    };
    const later = `${insert}${transition('a', 'primary', '2099-01-01 00:01:00', 5)}, ${transition('b', 'standby', '2099-01-01 00:00:30', 3)}`;
    await command(later, settings);
    await command(later, settings);
    expect(await rows('SELECT count() AS n FROM $db.migration_transitions')).toEqual([{ n: 3 }]);
    expect(await rows('SELECT count() AS n FROM $db.migration_device_path_rows')).toEqual([{ n: 3 }]);
    expect(
      await rows(
        'SELECT device_id, path, toString(since) AS since FROM $db.migration_device_paths ORDER BY device_id',
      ),
    ).toEqual([
      { device_id: 'a', path: 'primary', since: '2099-01-01 00:01:00.000' },
      { device_id: 'b', path: 'standby', since: '2099-01-01 00:00:30.000' },
    ]);
    expect(
      await rows(
        "SELECT toString(max(newest_at)) AS t FROM $db.migration_newest_events WHERE device_id = 'a'",
      ),
    ).toEqual([{ t: '2099-01-01 00:01:00.000' }]);
    expect(
      await rows(`SELECT dictGet('${database}.migration_device_paths_dictionary', 'path', 'b') AS path`),
    ).toEqual([{ path: 'standby' }]);
  });

  test('can be repeated from any statement on: a crash is no harm', async () => {
    await prepareTables(client, tables());
    await command(insert + transition('a', 'standby', '2099-01-01 00:00:00', 1));
    const statements = allMigrations().flatMap((migration) => renderMigration(migration, { database }));
    for (let crash = 0; crash <= statements.length; crash += 1) {
      for (const query of statements.slice(0, crash)) await command(query);
    }
    await prepareTables(client, tables(), allMigrations());
    expect(await rows('SELECT device_id, path FROM $db.migration_device_paths')).toEqual([
      { device_id: 'a', path: 'standby' },
    ]);
  });

  test('look up the newest announcement of each schema, and none that is deleted', async () => {
    await prepareTables(client, tables(), allMigrations());
    await command(`INSERT INTO $db.weir_schemas (fingerprint, name, schema, announced_at, _topic, _partition, _offset, _deleted) VALUES
('f1', 'old', '{}', '2026-01-01', 'weir.schemas', 0, 0, false), ('f1', 'new', '{}', '2026-01-01', 'weir.schemas', 0, 2, false),
('f2', 'gone', '{}', '2026-01-01', 'weir.schemas', 0, 1, false), ('f2', '', '', '2026-01-01', 'weir.schemas', 0, 3, true)`);
    expect(await rows('SELECT fingerprint, name FROM $db.weir_newest_schemas')).toEqual([
      { fingerprint: 'f1', name: 'new' },
    ]);
    expect(
      await rows(
        `SELECT arrayMap(f -> dictGet('${database}.weir_schemas_dictionary', 'name', f), ['f1', 'f2']) AS names`,
      ),
    ).toEqual([{ names: ['new', 'unknown'] }]);
  });

  test('are refused where a target of theirs forgets tokens', async () => {
    await prepareTables(client, tables(), allMigrations());
    await command(
      'ALTER TABLE $db.migration_device_path_rows MODIFY SETTING non_replicated_deduplication_window = 0',
    );
    await expect(prepareTables(client, tables(), allMigrations())).rejects.toThrow(
      /migration_device_path_rows, filled by a materialized view from .*migration_transitions, remembers no/,
    );
  });
});
