/**
 * Who applies migrations in a database: one process at a time. As in writer-lease.ts: ClickHouse has no compare-and-set, but
 * what one request has inserted the next one sees.
 *
 * I1  A process has the lock only after it has seen no other live claim since its own was in the table. Of two that claim at
 *     once the later one sees the earlier one's: never do both get it. The one that sees another withdraws and waits.
 * I2  A claim lives for `leaseMs` after it was last renewed, by ClickHouse's clock. So nobody waits for a dead process longer.
 * I3  A process that was stopped for longer than that may find another at work. It finds out before its next statement
 *     (`during`). The statement under way can be repeated (migration.ts, I2), so the two do no harm.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { catchUp, createBookkeeping } from './bookkeeping.ts';
import type { DatabaseTarget } from './cluster.ts';
import { fileOf, refused, type Migration } from './migration.ts';
import { quoteName } from './value-type.ts';

/** A statement that takes longer is kept alive by a renewal every third of it. */
const LEASE_MS = 15_000;
const POLL_MS = 100;

export interface LockConfig {
  /** Default 15,000. */
  readonly leaseMs?: number;
  /** How long to wait for another process. Default 120,000. */
  readonly waitMs?: number;
}

type State = 'claimed' | 'held' | 'released';

interface Claim {
  readonly state: State;
  readonly holder: string;
}

export class MigrationLock {
  readonly #client: ClickHouseClient;
  readonly #target: DatabaseTarget;
  readonly #table: string;
  readonly #leaseMs: number;
  readonly #waitMs: number;
  readonly #id = randomUUID();

  constructor(client: ClickHouseClient, target: DatabaseTarget, config: LockConfig = {}) {
    this.#client = client;
    this.#target = target;
    this.#table = `${quoteName(target.database)}.\`weir_migration_lock\``;
    this.#leaseMs = config.leaseMs ?? LEASE_MS;
    this.#waitMs = config.waitMs ?? 120_000;
  }

  /** Resolves once the lock is held; rejects with `migration-refused`, naming the holder, when another keeps it too long. */
  async acquire(): Promise<void> {
    await this.#create();
    const deadline = performance.now() + this.#waitMs;
    for (;;) {
      await this.#write('claimed');
      const [other] = await this.#others();
      if (other === undefined) return this.#write('held');
      await this.#write('released');
      if (performance.now() > deadline)
        throw refused(
          `lock of database ${this.#target.database}: ${other.holder} has had it for ${Math.round(this.#waitMs / 1000)} s. Wait until it is done; if it hangs, end it, and try again`,
        );
      // Not all at the same pace: of those that withdraw at once, one must come first.
      await sleep(POLL_MS * (0.5 + Math.random()));
    }
  }

  /** Runs a statement of a migration while the lock is kept alive. Rejects with `migration-refused` when it was lost before. */
  async during(migration: Migration, statement: () => Promise<void>): Promise<void> {
    // Those who only claim are about to withdraw.
    const other = (await this.#others()).find(({ state }) => state === 'held');
    if (other !== undefined)
      throw refused(
        `${fileOf(migration)}: this process was stopped for longer than ${this.#leaseMs / 1000} s, and ${other.holder} has gone on. Start again`,
      );
    await this.#write('held');
    let renewing = Promise.resolve();
    const timer = setInterval(() => {
      // A renewal that fails is noticed by the check before the next statement.
      renewing = renewing.then(() => this.#write('held')).catch(() => undefined);
    }, this.#leaseMs / 3);
    try {
      await statement();
    } finally {
      clearInterval(timer);
      // Or it might come after the release.
      await renewing;
    }
  }

  /** Lets the next one in at once; if that fails, the lock runs out by itself. */
  async release(): Promise<void> {
    await this.#write('released').catch(() => undefined);
  }

  async #create(): Promise<void> {
    await createBookkeeping(this.#client, this.#target, 'weir_migration_lock', {
      columns: `(
    id String,
    holder String,
    state LowCardinality(String),
    at DateTime64(6, 'UTC')
)`,
      rest: `ORDER BY (id, at) TTL toDateTime(at) + toIntervalDay(1) COMMENT 'Which process of weir applies migrations'`,
    });
  }

  async #write(state: State): Promise<void> {
    await this.#client.command({
      query: `INSERT INTO ${this.#table} SELECT {id:String}, {holder:String}, {state:String}, now64(6)`,
      query_params: { id: this.#id, holder: `process ${process.pid} on ${hostname()}`, state },
      clickhouse_settings: { async_insert: 0 },
    });
  }

  /** Live claims of other processes. */
  async #others(): Promise<readonly Claim[]> {
    await catchUp(this.#client, this.#target, 'weir_migration_lock');
    const result = await this.#client.query({
      query: `SELECT argMax(state, at) AS state, any(holder) AS holder FROM ${this.#table}
WHERE id != {id:String} AND at > now64(6) - toIntervalMillisecond({leaseMs:UInt32})
GROUP BY id HAVING state != 'released' ORDER BY id`,
      query_params: { id: this.#id, leaseMs: this.#leaseMs },
      format: 'JSONEachRow',
    });
    return result.json<Claim>();
  }
}
