/**
 * Which codecs the columns of tables should have: bytes a value and scan speed of the candidates, for each class of columns, over
 * rows of the largest streams in the order of their tables.
 *
 * Each column is written alone, in the order of its table's sorting key, once for each candidate. A scan reads the column ten
 * times in one thread, from the page cache, and the best of three counts; a slower disk would speak for the smaller ones.
 * At the end the tables as they would be with LZ4 everywhere, ZSTD(1) everywhere, and as their definitions have it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Session } from 'chdb';
import { BlockEncoder } from '#sinks/clickhouse/native/block-encoder.ts';
import { columnCodec, createTableSql, qualified, tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { typeName } from '#sinks/clickhouse/value-type.ts';
import { report } from '../measure.ts';
import { candidatesFor, classOf } from './candidates.ts';
import { sampleRows, type StreamRows } from './sample-rows.ts';

const devices = 12;
const seconds = 10_000;
const scans = 3;
const readings = 10;

interface Measured {
  bytes: number;
  scanMs: number;
  values: number;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const directory = await mkdtemp(join(tmpdir(), 'weir-codecs-'));
const session = new Session(join(directory, 'data'));
const run = (sql: string): string => session.query(sql, 'TabSeparated').trim();

async function fill({ stream, partitions }: StreamRows): Promise<Table> {
  const table = tableOf(stream, 'default');
  run(createTableSql(table));
  for (const [partition, rows] of partitions.entries()) {
    for (let from = 0; from < rows.length; from += 10_000) {
      const encoder = new BlockEncoder(table.columns);
      encoder.append(rows.slice(from, from + 10_000));
      const path = join(directory, 'block.native');
      await writeFile(path, encoder.encode(stream.topic, partition));
      run(`INSERT INTO ${qualified(table)} SELECT * FROM file('${path}', 'Native')`);
    }
  }
  return table;
}

function measure(table: Table, column: string, type: string, codec: string): Measured {
  const order = table.stream.clickhouse.orderBy.map((name) => `\`${name}\``).join(', ');
  run('DROP TABLE IF EXISTS candidate SYNC');
  run(
    `CREATE TABLE candidate (value ${type} CODEC(${codec})) ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0`,
  );
  run(
    `INSERT INTO candidate SELECT \`${column}\` FROM ${qualified(table)} ORDER BY ${order} SETTINGS max_threads = 1, min_insert_block_size_rows = 1000000, max_insert_block_size = 1000000`,
  );
  const [bytes, values] = run(
    `SELECT sum(data_compressed_bytes), (SELECT count() FROM candidate) FROM system.columns WHERE database = currentDatabase() AND table = 'candidate'`,
  ).split('\t');
  const all = Array.from({ length: readings }, () => 'SELECT value FROM candidate').join(' UNION ALL ');
  let scanMs = Infinity;
  for (let scan = 0; scan < scans; scan += 1) {
    const start = performance.now();
    run(`SELECT count() FROM (${all}) WHERE NOT ignore(value) SETTINGS max_threads = 1`);
    scanMs = Math.min(scanMs, (performance.now() - start) / readings);
  }
  return { bytes: Number(bytes), scanMs, values: Number(values) };
}

/** class -> codec -> sums over its columns */
const measured = new Map<string, Map<string, Measured>>();
const chosen: Record<'lz4' | 'zstd' | 'weir', Measured> = {
  lz4: { bytes: 0, scanMs: 0, values: 0 },
  zstd: { bytes: 0, scanMs: 0, values: 0 },
  weir: { bytes: 0, scanMs: 0, values: 0 },
};

function add(to: Measured, one: Measured): void {
  to.bytes += one.bytes;
  to.scanMs += one.scanMs;
  to.values += one.values;
}

function measureTable(table: Table): void {
  for (const column of [...table.columns.fields, ...table.columns.audit]) {
    const own = columnCodec(column) ?? 'LZ4';
    const codecs = new Set([...candidatesFor(column), own]);
    const byCodec = measured.get(classOf(column)) ?? new Map<string, Measured>();
    measured.set(classOf(column), byCodec);
    for (const codec of codecs) {
      const one = measure(table, column.name, typeName(column.type), codec);
      const sum = byCodec.get(codec) ?? { bytes: 0, scanMs: 0, values: 0 };
      byCodec.set(codec, sum);
      add(sum, one);
      if (codec === 'LZ4') add(chosen.lz4, one);
      if (codec === 'ZSTD(1)') add(chosen.zstd, one);
      if (codec === own) add(chosen.weir, one);
    }
  }
}

try {
  let rows = 0;
  for (const each of sampleRows(devices, seconds)) {
    const table = await fill(each);
    const count = Number(run(`SELECT count() FROM ${qualified(table)}`));
    print(`${table.name}: ${count.toLocaleString('en')} rows`);
    rows += count;
    measureTable(table);
  }
  print(
    `\n${'class'.padEnd(16)}${'codec'.padEnd(24)}${'bytes/value'.padStart(12)}${'M values/s'.padStart(12)}`,
  );
  for (const [name, byCodec] of measured) {
    for (const [codec, { bytes, scanMs, values }] of [...byCodec].sort(([, a], [, b]) => a.bytes - b.bytes))
      print(
        `${name.padEnd(16)}${codec.padEnd(24)}${(bytes / values).toFixed(3).padStart(12)}${(values / scanMs / 1000).toFixed(0).padStart(12)}`,
      );
  }
  const perRow = ({ bytes }: Measured): number => Number((bytes / rows).toFixed(1));
  const rowsPerSecond = ({ scanMs }: Measured): number => Math.round(rows / (scanMs / 1000));
  report({
    rows,
    bytesPerRowLz4: perRow(chosen.lz4),
    bytesPerRowZstd: perRow(chosen.zstd),
    bytesPerRowWeir: perRow(chosen.weir),
    wholeRowsPerSecondLz4: rowsPerSecond(chosen.lz4),
    wholeRowsPerSecondZstd: rowsPerSecond(chosen.zstd),
    wholeRowsPerSecondWeir: rowsPerSecond(chosen.weir),
    sizeRatio: Number((chosen.weir.bytes / chosen.lz4.bytes).toFixed(2)),
    scanRatio: Number((chosen.lz4.scanMs / chosen.weir.scanMs).toFixed(2)),
  });
} finally {
  session.close();
  await rm(directory, { recursive: true, force: true });
}
