/**
 * Who writes into a database: one run with topics in memory at a time. Two would give the same (topic, partition, offset)
 * to different records, and no audit could tell gaps and duplicates any more.
 *
 * ClickHouse has no compare-and-set, but what one request has inserted the next one sees. So each run writes down its claim
 * first and looks at the others' afterwards:
 * I1  A run holds the lease only after it has seen no other live claim since its own was in the table. Of two that claim at
 *     once, the later one sees the earlier one's: never do both hold it.
 * I2  Of several that only claim, the one with the smallest incarnation waits for the others to withdraw, so one gets it.
 * I3  A claim is live for `LEASE_MS` after its last heartbeat, by the clock of ClickHouse; less if it was given up, or if it
 *     was made by a process of this machine that no longer exists. Nor is that of an earlier owner of an embedded server live for the
 *     present one: the server's data directory has one owner at a time.
 * I4  Who loses the lease (it could not renew it for so long that another took it) is told by `lost`, and must stop. Until it
 *     knows, both may write: tokens differ (intent.ts), so nothing is dropped, and the audit shows the duplicates.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { catchUp, createBookkeeping } from './bookkeeping.ts';
import { bindDatabase, MEMORY_LOG } from './bound-log.ts';
import type { Cluster, DatabaseTarget } from './cluster.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { quoteName } from './value-type.ts';

/** So long after its last heartbeat a claim holds. */
const LEASE_MS = 15_000;
const HEARTBEAT_MS = 3_000;
const POLL_MS = 100;
/** A request without an answer for so long has failed. */
const REQUEST_MS = 2_000;
/** For so long a run claims anew after a request that failed for a while: a busy machine may need longer for one. */
const CLAIM_MS = 15_000;
/** As REQUEST_MS, for giving up the lease: a run must end in time even if ClickHouse hangs. */
const RELEASE_MS = 300;

type State = 'claimed' | 'held' | 'released';

export interface WriterLease {
  /** Resolves with a `not-only-writer` SinkError when another run has taken the lease. */
  readonly lost: Promise<SinkError>;
  /** Lets the next run start at once. Resolves within 300 ms, also if that fails: then the lease runs out by itself. */
  release(): Promise<void>;
}

interface Claim {
  readonly incarnation: string;
  readonly state: State;
  readonly host: string;
  readonly process_space: string;
  readonly pid: number;
  readonly owns_server: boolean;
  readonly ageMs: number;
}

/** What tells processes of this machine and PID namespace from others; '' where it cannot be told. */
function processSpace(): string {
  if (process.platform !== 'linux') return '';
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${bootId} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Claims of this process that are not given up: two runs of one process exclude each other, too. */
const ownClaims = new Set<string>();

/**
 * Takes the lease of a database (which must exist) for a run. `ownsServer`: the server is this run's own. Rejects with `not-only-writer`, naming host and process, if
 * another run has it; with `other-log` if its rows come from Kafka (bound-log.ts); with `clickhouse-transient` or `clickhouse-permanent` as ClickHouse answers.
 */
export async function acquireWriterLease(
  client: ClickHouseClient,
  database: string,
  incarnation: string,
  ownsServer: boolean,
  cluster?: Cluster,
): Promise<WriterLease> {
  const table = new LeaseTable(client, { database, cluster }, incarnation, ownsServer);
  ownClaims.add(incarnation);
  try {
    await bindDatabase(client, database, MEMORY_LOG, [], cluster);
    await table.create();
    await claim(table, database, incarnation);
  } catch (error) {
    ownClaims.delete(incarnation);
    if (error instanceof SinkError) {
      await table.write('released', AbortSignal.timeout(RELEASE_MS)).catch(() => undefined);
      throw error;
    }
    throw describeFailure(error, classify(error), `database ${database}, writer lease`);
  }
  return keep(table, database, incarnation);
}

async function claim(table: LeaseTable, database: string, incarnation: string): Promise<void> {
  for (const giveUpAtMs = performance.now() + CLAIM_MS; ;) {
    try {
      await table.write('claimed');
      await waitForTurn(table, database, incarnation);
      await table.write('held');
      return;
    } catch (error) {
      // From the beginning: what was seen before may be older than a lease (I1).
      if (error instanceof SinkError || classify(error) !== 'transient' || performance.now() > giveUpAtMs)
        throw error;
      await sleep(POLL_MS);
    }
  }
}

async function waitForTurn(table: LeaseTable, database: string, incarnation: string): Promise<void> {
  for (;;) {
    const others = await table.liveOthers();
    if (others.length === 0) return;
    const other = others.find(({ state, incarnation: its }) => state === 'held' || its < incarnation);
    if (other !== undefined) throw refusal(database, other);
    await sleep(POLL_MS);
    await table.write('claimed');
  }
}

function refusal(database: string, { host, pid, ageMs }: Claim): SinkError {
  return new SinkError(
    'not-only-writer',
    `another weir writes into database ${database}: process ${pid} on ${host}, last seen ${Math.round(ageMs / 1000)} s ago. ` +
      `Stop it and try again, or use another database or server. If it is gone, its lease runs out ${LEASE_MS / 1000} s after it was last seen`,
  );
}

function keep(table: LeaseTable, database: string, incarnation: string): WriterLease {
  let onLost: (error: SinkError) => void;
  const lost = new Promise<SinkError>((resolve) => {
    onLost = resolve;
  });
  const stop = new AbortController();
  const beat = async (): Promise<void> => {
    try {
      // Looks first: who has lost the lease must not take it back from who has it now.
      const taker = (await table.liveOthers(stop.signal)).find(({ state }) => state === 'held');
      if (taker === undefined) await table.write('held', stop.signal);
      else onLost(refusal(database, taker));
    } catch (error) {
      // ClickHouse is away: the sink says so and waits, and the next heartbeat tries again.
      if (classify(error) !== 'transient')
        onLost(describeFailure(error, 'permanent', `database ${database}, writer lease`));
    }
  };
  let beating = Promise.resolve();
  const timer = setInterval(() => {
    beating = beating.then(beat);
  }, HEARTBEAT_MS);
  timer.unref();
  return {
    lost,
    release: async () => {
      clearInterval(timer);
      stop.abort();
      await beating;
      // Nobody waits for more than its running out: that it could not be given up is no failure of the run.
      await table.write('released', AbortSignal.timeout(RELEASE_MS)).catch(() => undefined);
      ownClaims.delete(incarnation);
    },
  };
}

/** The rows of the lease: each change of a claim and each heartbeat is one. */
class LeaseTable {
  readonly #client: ClickHouseClient;
  readonly #target: DatabaseTarget;
  readonly #table: string;
  readonly #incarnation: string;
  readonly #ownsServer: boolean;
  readonly #processSpace = processSpace();

  constructor(client: ClickHouseClient, target: DatabaseTarget, incarnation: string, ownsServer: boolean) {
    this.#client = client;
    this.#target = target;
    this.#table = `${quoteName(target.database)}.\`weir_writer_lease\``;
    this.#incarnation = incarnation;
    this.#ownsServer = ownsServer;
  }

  async create(): Promise<void> {
    await createBookkeeping(this.#client, this.#target, 'weir_writer_lease', {
      columns: `(
    incarnation String,
    state LowCardinality(String),
    host String,
    process_space String,
    pid UInt32,
    owns_server Bool,
    heartbeat DateTime64(3, 'UTC')
)`,
      rest: `ORDER BY (incarnation, heartbeat) TTL toDateTime(heartbeat) + toIntervalDay(1)
COMMENT 'Which run of weir writes into this database'`,
    });
  }

  async write(state: State, signal?: AbortSignal): Promise<void> {
    await this.#client.command({
      query: `INSERT INTO ${this.#table}
SELECT {incarnation:String}, {state:String}, {host:String}, {space:String}, {pid:UInt32}, {ownsServer:Bool}, now64(3)`,
      query_params: {
        incarnation: this.#incarnation,
        state,
        host: hostname(),
        space: this.#processSpace,
        pid: process.pid,
        ownsServer: this.#ownsServer,
      },
      clickhouse_settings: { async_insert: 0 },
      abort_signal: within(signal),
    });
  }

  /** Claims of others that are live. */
  async liveOthers(signal?: AbortSignal): Promise<readonly Claim[]> {
    const bound = within(signal);
    await catchUp(this.#client, this.#target, 'weir_writer_lease', bound);
    const result = await this.#client.query({
      query: `SELECT incarnation, argMax(state, (heartbeat, state = 'released', state = 'held')) AS state, any(host) AS host,
       any(process_space) AS process_space, any(pid) AS pid, any(owns_server) AS owns_server, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(max(heartbeat)) AS ageMs
FROM ${this.#table} WHERE incarnation != {incarnation:String} AND heartbeat > now64(3) - toIntervalMillisecond({leaseMs:UInt32})
GROUP BY incarnation HAVING state != 'released' ORDER BY incarnation`,
      query_params: { incarnation: this.#incarnation, leaseMs: LEASE_MS },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      abort_signal: bound,
    });
    return (await result.json<Claim>()).filter((claim) => !this.#isDead(claim));
  }

  #isDead({ incarnation, process_space: space, pid, owns_server: ownedServer }: Claim): boolean {
    if (this.#ownsServer && ownedServer) return true;
    if (this.#processSpace === '' || space !== this.#processSpace) return false;
    if (pid === process.pid) return !ownClaims.has(incarnation);
    try {
      process.kill(pid, 0);
      return false;
    } catch (error) {
      // EPERM: it exists, and is another user's.
      return error instanceof Error && 'code' in error && error.code === 'ESRCH';
    }
  }
}

function within(signal: AbortSignal | undefined): AbortSignal {
  const bound = AbortSignal.timeout(REQUEST_MS);
  return signal === undefined ? bound : AbortSignal.any([signal, bound]);
}
