/** The package's reports and `weir report`, against the real engine with the tables that the schemas make. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { allMigrations } from '#cli/migrations.ts';
import { removeEndpoint, writeEndpoint } from '#cli/endpoint.ts';
import { parameterValues } from '#cli/reports/parameter-values.ts';
import { allReports } from '#cli/reports/report-list.ts';
import { parseReport } from '#cli/reports/report-file.ts';
import { runReport } from '#cli/reports/run-report.ts';
import { startEmbeddedServer, type EmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { weir, withoutProgress } from './cli-process.fixture.ts';

let dataDir: string;
let server: EmbeddedServer;
let client: ClickHouseClient;

async function open(): Promise<void> {
  server = await startEmbeddedServer({ dataDir: join(dataDir, 'clickhouse') });
  client = createClient({ url: server.url });
}

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'weir-report-'));
  await open();
  const tables = weirApp.streams.map((stream) => tableOf(stream, 'default'));
  await prepareTables(client, tables, allMigrations());
});

afterAll(async () => {
  await client.close();
  await server.stop();
  rmSync(dataDir, { recursive: true });
});

describe('every report', () => {
  it.each(allReports())('$name returns the columns that it declares', async (report) => {
    const { columns } = await runReport(client, report, parameterValues(report, []));
    expect(columns.map(({ name }) => name)).toEqual(report.columns.map(({ name }) => name));
  });
});

describe('parameters', () => {
  it.each([
    ['UInt64', '18446744073709551615', 18446744073709551615n],
    ['Int8', '-128', -128],
    ['Float64', '1e-3', 0.001],
    ['Bool', 'true', true],
    ['String', "a'b\\c\td\ne", "a'b\\c\td\ne"],
    ['Date', '2026-03-01', '2026-03-01'],
    ['DateTime', '2026-03-01T13:00:00+01:00', '2026-03-01 12:00:00'],
    ['DateTime', '1970-01-01', '1970-01-01 00:00:00'],
    ['DateTime64(3)', '2026-03-01 12:00:00.123', '2026-03-01 12:00:00.123'],
    ['DateTime64(3)', '1970-01-01 00:00:00.000', '1970-01-01 00:00:00.000'],
  ])('%s %j reach ClickHouse as they are', async (type, text, expected) => {
    const shown = type.startsWith('DateTime') ? `toString({p:${type}}, 'UTC')` : `{p:${type}}`;
    const example =
      { Bool: 'false', Date: '1970-01-01', String: "''" }[type] ??
      (type.startsWith('DateTime') ? '1970-01-01' : '0');
    const report = parseReport(
      'echo',
      `-- question: What?\n-- parameter: p ${type} default ${example}: it\n-- column: p: it\nSELECT ${shown} AS p`,
      'echo.sql',
    );
    const { rows } = await runReport(client, report, parameterValues(report, [`p=${text}`]));
    expect(rows).toEqual([[expected]]);
  });
});

describe('weir report', () => {
  const report = ['report', 'seconds-on-standby'];

  it('lists all reports without a ClickHouse', async () => {
    const { exitCode, stdout } = await weir(['report', '--format', 'json']);
    expect(exitCode).toBe(0);
    const listed = JSON.parse(stdout) as readonly { name: string; question: string }[];
    expect(listed.map(({ name }) => name)).toEqual(allReports().map(({ name }) => name));
  });

  it('asks a server by its URL, as a user that may only read', async () => {
    const { exitCode, stdout, stderr } = await weir([
      ...report,
      '--url',
      server.url,
      '--user',
      'readonly',
      '--format',
      'csv',
    ]);
    expect(withoutProgress(stderr)).toBe('weir: no rows\n');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^vm_id,|^device_id,|^[a-z_]+,/);
  });

  it('explains question, parameters and columns', async () => {
    const { stdout } = await weir([...report, '--url', server.url, '--explain']);
    expect(stdout).toMatch(/^How long .*\n\nParameters:\n(?: {2}\S+ +.* \[\S+\]\n)+\nColumns:\n/);
  });

  it('says when the tables are not there: exit 3', async () => {
    const { exitCode, stderr } = await weir([...report, '--url', server.url, '--database', 'system']);
    expect(withoutProgress(stderr)).toMatch(
      /^weir: report seconds-on-standby: the tables it reads are not there: .*\n {2}try: fill them/s,
    );
    expect(exitCode).toBe(3);
  });

  it('refuses an unknown user: exit 2', async () => {
    const { exitCode, stderr } = await weir([...report, '--url', server.url, '--user', 'nobody']);
    expect(stderr).toContain('try: --user <name> --password-file <path>');
    expect(exitCode).toBe(2);
  });

  it('asks the weir that runs on the data directory', async () => {
    await writeEndpoint(dataDir, { url: server.url, pid: process.pid });
    const { exitCode, stderr } = await weir([...report, '--data', dataDir]);
    await removeEndpoint(dataDir);
    expect(withoutProgress(stderr)).toBe('weir: no rows\n');
    expect(exitCode).toBe(0);
  });

  it('says who holds a data directory whose address is not known: exit 3', async () => {
    const { exitCode, stderr } = await weir([...report, '--data', dataDir]);
    expect(stderr).toContain(`${join(dataDir, 'clickhouse')} is in use by process`);
    expect(exitCode).toBe(3);
  });

  it('opens the data directory itself where no weir runs', async () => {
    await client.close();
    await server.stop();
    const { exitCode, stderr } = await weir([...report, '--data', dataDir]);
    await open();
    expect(withoutProgress(stderr)).toBe('weir: no rows\n');
    expect(exitCode).toBe(0);
  });

  it('names a file in the way of a data directory: exit 3', async () => {
    const other = mkdtempSync(join(tmpdir(), 'weir-report-'));
    writeFileSync(join(other, 'clickhouse'), '');
    const { exitCode, stderr } = await weir([...report, '--data', other]);
    rmSync(other, { recursive: true });
    expect(stderr).toContain(`${join(other, 'clickhouse')} is not a directory`);
    expect(exitCode).toBe(3);
  });
});
