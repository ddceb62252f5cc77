/** Tables of migration and failover in a real engine, filled from the golden replays, and the reports run over them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { schemas } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { streams as failoverStreams } from '#pipelines/failover/index.ts';
import { streams as migrationStreams } from '#pipelines/migration/index.ts';
import { parseReport, type Report } from '#cli/reports/report-file.ts';
import { openEngine, type Engine } from '#sinks/clickhouse/chdb.fixture.ts';
import { readMigrations, renderMigration } from '#sinks/clickhouse/migration.ts';
import { createTableSql, tableOf } from '#sinks/clickhouse/tables.ts';

const root = new URL('../../', import.meta.url);

/** Every report, parsed as `weir report` parses it. */
export function readReports(): readonly Report[] {
  const directory = new URL('reports/', root);
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) =>
      parseReport(file.replace(/\.sql$/, ''), readFileSync(new URL(file, directory), 'utf8'), file),
    );
}

export type Row = Readonly<Record<string, unknown>>;

/** Opens an engine with the tables, empty. */
export function openTables(): Engine {
  const engine = openEngine();
  for (const stream of [...failoverStreams, ...migrationStreams]) {
    // The scenarios' dates are fixed, so the tables must not drop old rows.
    engine.run(createTableSql(tableOf(stream, 'default')).replace(/^TTL .*$/m, ''));
  }
  engine.run(createTableSql(tableOf(schemas, 'default')));
  for (const migration of readMigrations(fileURLToPath(new URL('sinks/clickhouse/migrations/', root)))) {
    for (const sql of renderMigration(migration, { database: 'default' })) engine.run(sql);
  }
  return engine;
}

/** Fills the tables with the scenarios' events and with what the processors made of them. */
export function fillTables(engine: Engine): void {
  const byTopic = new Map<string, Row[]>();
  for (const file of [
    'failover/fixtures/devices',
    'failover/golden/io-prediction',
    'failover/golden/replication-needs',
    'failover/golden/telemetry-suspicion',
    'migration/fixtures/traps',
    'migration/golden/device-failover',
  ]) {
    for (const line of readFileSync(new URL(`pipelines/${file}.ndjson`, root), 'utf8')
      .trimEnd()
      .split('\n')) {
      const { topic, event, value } = JSON.parse(line) as { topic: string; event?: Row; value?: Row };
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), flat(event ?? value ?? {})]);
    }
  }
  for (const stream of [...failoverStreams, ...migrationStreams])
    insert(engine, stream, byTopic.get(stream.topic) ?? []);
}

export function insert(engine: Engine, stream: Stream<unknown>, rows: readonly Row[]): void {
  if (rows.length === 0) return;
  const data = rows.map((row) => JSON.stringify(row)).join('\n');
  engine.run(`INSERT INTO ${stream.clickhouse.table} FORMAT JSONEachRow\n${data}`);
}

/** A nested record becomes `parent_child`, as in the tables. */
function flat(value: Row): Row {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]): [string, unknown][] =>
      typeof field === 'object' && field !== null
        ? Object.entries(field).map(([child, leaf]) => [`${name}_${child}`, leaf])
        : [[name, field]],
    ),
  );
}

/** Runs a report with its defaults, or with other values. */
export function runReport(
  engine: Engine,
  report: Report,
  values: Readonly<Record<string, string>> = {},
): Row[] {
  setParameters(engine, report, values);
  return engine.rows<Row>(report.sql);
}

/** Names of a report's result columns, in order, by running it with its defaults. */
export function columnsOf(engine: Engine, report: Report): string[] {
  setParameters(engine, report, {});
  const [names] = engine.run(`${report.sql}\nFORMAT TabSeparatedWithNames`).split('\n');
  return (names ?? '').split('\t');
}

function setParameters(engine: Engine, report: Report, values: Readonly<Record<string, string>>): void {
  for (const { name, type, defaultText } of report.parameters) {
    const value = type.encode(values[name] ?? defaultText);
    if (value === undefined) throw new Error(`${report.name}: '${values[name] ?? ''}' is no ${type.name}`);
    engine.run(`SET param_${name} = '${value}'`);
  }
}
