import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inDirectory, inspect, weir } from './weir.fixture.ts';

const topic = 'migration.link-states';
/** Rows expire by event time: events of long ago would be gone at the first merge. */
const startMs = Date.now() - 3_600_000;

function linkState(i: number): Readonly<Record<string, unknown>> {
  return {
    device_id: `device-${i % 50}`,
    vm_id: `vm-${i % 50}`,
    mac: '02:00:00:00:00:01',
    host: 'host-1',
    interface: 'primary',
    attached: true,
    link_up: i % 3 !== 0,
    path_epoch: 0,
    observed_at: startMs + i * 10,
  };
}

const line = (i: number, change: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...linkState(i), ...change });

/** Lines that are no events, each in another way, and what their dead letter says. */
const bad: readonly { readonly bytes: Buffer; readonly code: string; readonly names: RegExp }[] = [
  { bytes: Buffer.from('{"device_id": "a",'), code: 'not-json', names: /no JSON/ },
  { bytes: Buffer.from(line(1, { attached: 'yes' })), code: 'invalid-value', names: /'attached'.*boolean/ },
  { bytes: Buffer.from(line(2, { mac: undefined })), code: 'invalid-value', names: /'mac'.*got nothing/ },
  { bytes: Buffer.from(line(3, { speed: 10 })), code: 'invalid-value', names: /'speed'.*unknown/ },
  {
    bytes: Buffer.from(line(4, { interface: 'tertiary' })),
    code: 'invalid-value',
    names: /'interface'.*tertiary/,
  },
  {
    bytes: Buffer.concat([Buffer.from('{"device_id":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    code: 'not-utf8',
    names: /UTF-8/,
  },
  {
    bytes: Buffer.from(line(5).replace('"path_epoch":0', '"path_epoch":9007199254740993')),
    code: 'invalid-value',
    names: /'path_epoch'/,
  },
];

interface Letter {
  readonly reader: string;
  readonly topic: string;
  readonly value: string;
  readonly code: string;
  readonly reason: string;
}

describe('weir produce', () => {
  test('puts 1,000 good lines into the table and 7 bad ones into dead letters with bytes and reason; again goes on with offsets', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'events.ndjson');
      const dataDir = join(directory, 'data');
      // CRLF and LF, blank lines, no line end at the end; bad ones spread among the good.
      const chunks: Buffer[] = [];
      for (let i = 0; i < 1_000; i += 1) {
        const broken = i % 140 === 70 ? bad[Math.floor(i / 140)] : undefined;
        if (broken !== undefined) chunks.push(broken.bytes, Buffer.from('\n'));
        chunks.push(Buffer.from(line(i)), Buffer.from(i === 999 ? '' : i % 2 === 0 ? '\r\n' : '\n'));
        if (i % 100 === 0) chunks.push(Buffer.from(i % 200 === 0 ? '\n' : ' \t\r\n'));
      }
      await writeFile(file, Buffer.concat(chunks));

      const first = await weir(['produce', topic, file, '--data', dataDir]);
      expect(first).toMatchObject({ exitCode: 0, stdout: `1000 events on ${topic}, 7 dead letters\n` });
      for (const { names } of bad) expect(first.stderr).toMatch(names);

      const second = await weir(['produce', topic, '--strict', '--data', dataDir], Buffer.concat(chunks));
      expect(second).toMatchObject({ exitCode: 1, stdout: `1000 events on ${topic}, 7 dead letters\n` });

      await inspect(dataDir, async ({ rows, rowsByTopic, expectExactlyOnce }) => {
        const counts = await rowsByTopic();
        expect(counts).toMatchObject({ [topic]: 2_000, 'weir.dead-letters': 14 });
        await expectExactlyOnce();
        const letters = await rows<Letter>(
          'SELECT reader, topic, hex(assumeNotNull(value)) AS value, code, reason FROM weir_dead_letters ORDER BY failed_at, reason',
        );
        for (const { bytes, code, names } of bad) {
          const found = letters.filter((letter) => letter.value === bytes.toString('hex').toUpperCase());
          expect(found).toHaveLength(2);
          for (const letter of found) expect(letter).toMatchObject({ reader: 'produce', topic, code });
          for (const { reason } of found) expect(reason).toMatch(names);
        }
        // Each line says where it stood.
        const places = letters.map(({ reason }) => /^(events\.ndjson|stdin), line \d+: /.exec(reason)?.[0]);
        expect(new Set(places).size).toBe(14);
        const same = await rows<{ n: number }>(
          `SELECT count() AS n FROM (SELECT * EXCEPT (_partition, _offset, _topic) APPLY toString FROM migration_link_states WHERE device_id = 'device-7' AND observed_at = fromUnixTimestamp64Milli(${startMs + 70}))`,
        );
        expect(same).toEqual([{ n: 2 }]);
      });
    }));

  test('with nothing but good lines is 0 with --strict, and with nothing at all is 0', () =>
    inDirectory(async (directory) => {
      const args = ['produce', topic, '-', '--strict', '--data', join(directory, 'data')];
      expect(await weir(args, line(1))).toMatchObject({
        exitCode: 0,
        stdout: `1 events on ${topic}, 0 dead letters\n`,
      });
      expect(await weir(args, '\n\n')).toMatchObject({
        exitCode: 0,
        stdout: `0 events on ${topic}, 0 dead letters\n`,
      });
    }));

  test('goes on with its offsets although the rows of the run before have expired', () =>
    inDirectory(async (directory) => {
      const dataDir = join(directory, 'data');
      const args = ['produce', topic, '--data', dataDir];
      const old = Array.from({ length: 5 }, (_, i) => line(7, { observed_at: 1_500_000_000_000 + i }));
      const fresh = Array.from({ length: 5 }, (_, i) => line(7, { observed_at: startMs + i }));
      expect(await weir(args, old.join('\n'))).toMatchObject({ exitCode: 0 });
      expect(await weir(args, fresh.join('\n'))).toMatchObject({ exitCode: 0 });
      await inspect(dataDir, async ({ rows }) => {
        const sql = `SELECT _offset FROM migration_link_states WHERE observed_at > '2020-01-01' ORDER BY _offset`;
        expect(await rows(sql)).toEqual([5, 6, 7, 8, 9].map((_offset) => ({ _offset })));
      });
    }));
});
