/** The one ClickHouse engine of the sink benchmark: the embedded one, in a process of its own, and what it took. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { openClient } from '#sinks/clickhouse/client.ts';
import { type EmbeddedServer, startEmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';
import { qualified, type Table } from '#sinks/clickhouse/tables.ts';
import { quoteName } from '#sinks/clickhouse/value-type.ts';
import { type Usage, usageOf } from '../kafka/process-usage.ts';

const pollMs = 50;
const restPolls = 10;
const probedLooks = 30;

/** How far a table came, seen every 50 ms. */
export interface Progress {
  readonly atMs: number;
  readonly rows: number;
}

export class BenchEngine {
  readonly client: ClickHouseClient;
  readonly #server: EmbeddedServer;
  readonly #dataDir: string;
  #looks = 0;

  private constructor(server: EmbeddedServer, dataDir: string) {
    this.#server = server;
    this.#dataDir = dataDir;
    this.client = openClient({ url: server.url });
  }

  static async start(): Promise<BenchEngine> {
    // Weir has it give memory back at once, which costs ClickHouse's Kafka engine three times its CPU; here it keeps jemalloc's own
    // settings, for all alike.
    process.env['JE_MALLOC_CONF'] = '';
    const dataDir = await mkdtemp(join(tmpdir(), 'weir-bench-clickhouse-'));
    return new BenchEngine(await startEmbeddedServer({ dataDir, allowedEngines: ['Kafka'] }), dataDir);
  }

  get url(): string {
    return this.#server.url;
  }

  get version(): string {
    return this.#server.engineVersion;
  }

  usage(): Usage {
    return usageOf(this.#server.pid());
  }

  /** Has the largest memory counted anew from here. Source: proc_pid_clear_refs(5). */
  async resetPeak(): Promise<void> {
    await writeFile(`/proc/${this.#server.pid()}/clear_refs`, '5');
  }

  async run(...statements: readonly string[]): Promise<void> {
    for (const query of statements) await this.client.command({ query });
  }

  /** Statements so far whose answer was read. */
  get looks(): number {
    return this.#looks;
  }

  /** The answer's only value. */
  async value(query: string): Promise<string> {
    this.#looks += 1;
    const result = await this.client.query({ query, format: 'TabSeparated' });
    return (await result.text()).trim();
  }

  async #rowsOf(table: Table): Promise<number> {
    return Number(await this.value(`SELECT count() FROM ${qualified(table)}`));
  }

  /** Looks at a table until it has `rows`, calling `check` each time. @throws Error after `timeoutMs` */
  async follow(
    table: Table,
    rows: number,
    { timeoutMs, check }: { readonly timeoutMs: number; readonly check: () => void },
  ): Promise<readonly Progress[]> {
    const progress: Progress[] = [];
    const giveUpAtMs = Date.now() + timeoutMs;
    for (;;) {
      const found = await this.#rowsOf(table);
      const atMs = Date.now();
      progress.push({ atMs, rows: found });
      if (found >= rows) return progress;
      check();
      if (atMs > giveUpAtMs)
        throw new Error(`table ${qualified(table)} has ${found} of ${rows} rows after ${timeoutMs} ms`);
      await sleep(pollMs);
    }
  }

  /** CPU seconds that it takes to look at the engine once. Left alone, it takes 3 ms a second. */
  async costOfLook(table: Table): Promise<number> {
    const before = this.usage().cpuSeconds;
    for (let looks = 0; looks < probedLooks; looks += 1) {
      await this.#rowsOf(table);
      await sleep(pollMs);
    }
    return (this.usage().cpuSeconds - before) / probedLooks;
  }

  /** Resolves when no merge has been running for half a second. */
  async rest(): Promise<void> {
    for (let polls = 0; polls < restPolls; polls += 1) {
      if ((await this.value('SELECT count() FROM system.merges')) !== '0') polls = 0;
      await sleep(pollMs);
    }
  }

  /** Of all rows with all columns, in any order. */
  fingerprint(table: Table): Promise<string> {
    const names = [...table.columns.fields, ...table.columns.audit].map(({ name }) => quoteName(name));
    return this.value(
      `SELECT concat(toString(count()), ' rows, ', hex(sum(hash)), hex(groupBitXor(hash))) ` +
        `FROM (SELECT sipHash64(toString(tuple(${names.join(', ')}))) AS hash FROM ${qualified(table)})`,
    );
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.#server.stop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}
