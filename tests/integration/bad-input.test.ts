/** What cannot work is refused before anything starts, in words that name the place and what to do. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import { linkState } from './link-load.fixture.ts';
import { endpointOf, inDirectory, inspect, inStack, startWeir, weir, type Ended } from './weir.fixture.ts';

/** Ended with this code, nothing on stdout, and a message but no stack on stderr. */
function expectRefusal(ended: Ended, exitCode: number, ...texts: readonly (string | RegExp)[]): void {
  expect(ended).toMatchObject({ exitCode, stdout: '' });
  for (const text of texts) expect(ended.stderr).toMatch(text);
  expect(ended.stderr).not.toMatch(/\n {4}at /);
}

describe.concurrent('weir refuses', () => {
  test('a data directory that cannot be written', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'file');
      await writeFile(file, '');
      expectRefusal(
        await weir(['demo', '--for', '1s', '--data', join(file, 'data')]),
        3,
        join(file, 'data'),
        '--data',
      );
      // Root may write anywhere, but not in /sys.
      expectRefusal(
        await weir(['produce', linkStates.topic, '--data', '/sys/weir']),
        3,
        '/sys/weir',
        '--data',
      );
    }));

  test('a data directory that another weir has, by its process', () =>
    inDirectory(async (dataDir) => {
      const running = startWeir(['demo', '--data', dataDir]);
      await endpointOf(dataDir);
      const second = await weir(['demo', '--for', '1s', '--data', dataDir]);
      expectRefusal(second, 3, dataDir, `in use by another weir, process ${running.pid}`, '--data');
      // The first one goes on and still is the one announced.
      const { url, pid } = await endpointOf(dataDir);
      expect(pid).toBe(running.pid);
      expect((await fetch(`${url}/ping`)).ok).toBe(true);
      running.signalGroup('SIGINT');
      // What it can deliver in the time that it has to stop is not the matter here, beside so many other processes.
      expect((await running.ended).signal).toBeNull();
    }));

  test('a port in use', () =>
    inDirectory(async (dataDir) => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const address = other.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const refused = await weir(['demo', '--for', '1s', '--data', dataDir, '--port', String(port)]);
      other.close();
      expectRefusal(refused, 3, `port ${port} on 127.0.0.1 is in use`);
    }));

  test.for([
    [['produce', 'migration.linkstates'], "did you mean 'migration.link-states'"],
    [['produce', linkStates.topic, 'missing.ndjson'], 'missing.ndjson'],
    [['produce', linkStates.topic, 'tests'], 'tests is a directory'],
    [['demo', '--set', 'migration.device-failovr.holdDownMs=1'], "did you mean 'migration.device-failover'"],
    [['demo', '--set', 'migration.device-failover.holdDown=1'], "did you mean 'holdDownMs'"],
    [['demo', '--set', 'migration.device-failover.holdDownMs=soon'], 'must be a number'],
    [['demo', '--set', 'holdDownMs'], '<processor>.<parameter>=<value>'],
    [['demo', '--for', 'soon'], "--for: 'soon' is no duration"],
    [['demo', '--for', '1s', '--port', '70000'], "--port: '70000' is no port"],
    [['demo', '--for', '1s', '--vms', '0'], "--vms: '0'"],
    [['demo', '--for', '1s', '--sample-interval', '0s'], '--sample-interval'],
    [['report', 'seconds-on-standby', '--param', 'since=yesterday'], /since.*yesterday/],
    [['report', 'seconds-on-stanby'], "did you mean 'seconds-on-standby'"],
    [['replay', 'nowhere', '--crashes', 'many'], "--crashes: 'many'"],
  ] as const)('%s', async ([args, text]) => {
    expectRefusal(await weir(args), 2, text);
  });

  test('a recording that is none, or is damaged', () =>
    inDirectory(async (directory) => {
      expectRefusal(
        await weir(['replay', join(directory, 'none')]),
        1,
        join(directory, 'none'),
        'recording.json',
      );
      await writeFile(join(directory, 'recording.json'), '{"format": 1, ');
      expectRefusal(await weir(['replay', directory]), 1, join(directory, 'recording.json'), 'damaged');
      const taken = await weir([
        'demo',
        '--for',
        '1s',
        '--data',
        join(directory, 'data'),
        '--record',
        directory,
      ]);
      expectRefusal(taken, 1, directory, 'not empty');
    }));
});

describe('a malformed record on a topic', () => {
  interface Letter {
    readonly reader: string;
    readonly topic: string;
    readonly offset: number;
    readonly value: string;
    readonly source_key: string;
    readonly header: string;
    readonly code: string;
    readonly reason: string;
  }

  test('becomes a dead letter of processor and sink with its bytes, and nothing else is affected', () =>
    inDirectory(async (dataDir) => {
      const startMs = Date.now() - 60_000;
      const { malformed, written } = await inStack(dataDir, async (stack) => {
        const good: Buffer[] = [];
        for (let i = 0; i < 500; i += 1) await stack.edge.publish(linkStates, linkState(i, startMs));
        good.push(
          ...stack.log
            .read(linkStates.topic, 0, stack.log.endOffset(linkStates.topic, 0) - 1, 1)
            .map((r) => r.value!),
        );
        const [valid = Buffer.alloc(0)] = good;
        const bytes = [
          Buffer.from('not Avro at all'),
          Buffer.alloc(0),
          // A schema that nobody announced, in both framings.
          Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.alloc(8, 0x5a), Buffer.from('x')]),
          Buffer.concat([Buffer.from([0, 0, 0, 4, 210]), Buffer.from('x')]),
          valid.subarray(0, valid.length - 3),
          Buffer.concat([valid, Buffer.from([1, 2, 3])]),
        ];
        for (const [i, value] of bytes.entries()) {
          stack.log.append([
            {
              topic: linkStates.topic,
              partition: 0,
              key: Buffer.from([0xff, i]),
              value,
              timestampMs: startMs + 1_000,
              headers: { 'x-test': String(i) },
            },
          ]);
        }
        for (let i = 500; i < 1_000; i += 1) await stack.edge.publish(linkStates, linkState(i, startMs));
        expect(await stack.settle(120_000)).toBe(true);
        expect(stack.runtime.errors).toEqual([]);
        const counts = Object.fromEntries(stack.written());
        expect(await stack.stop(60_000)).toMatchObject({ kept: 0 });
        return { malformed: bytes, written: counts };
      });
      expect(written).toMatchObject({ [linkStates.topic]: 1_006, 'weir.dead-letters': 12 });
      await inspect(dataDir, async ({ rows, rowsByTopic }) => {
        expect(await rowsByTopic()).toEqual({ ...written, [linkStates.topic]: 1_000 });
        const letters = await rows<Letter>(
          `SELECT reader, topic, offset, hex(assumeNotNull(value)) AS value, hex(assumeNotNull(source_key)) AS source_key,
                  toString(headers['x-test']) AS header, code, reason FROM weir_dead_letters ORDER BY reader, offset`,
        );
        const firstOffset = letters[0]?.offset ?? -1;
        for (const reader of ['processor migration.device-failover', 'sink clickhouse']) {
          expect(letters.filter((letter) => letter.reader === reader)).toEqual(
            malformed.map((value, i) => ({
              reader,
              topic: linkStates.topic,
              offset: firstOffset + i,
              value: value.toString('hex').toUpperCase(),
              source_key: `FF0${i}`,
              header: String(i),
              code: expect.any(String) as string,
              reason: expect.stringMatching(/\S/) as string,
            })),
          );
        }
        const [holes] = await rows<{ n: number }>(
          'SELECT max(_offset) - min(_offset) + 1 - uniqExact(_offset) AS n FROM migration_link_states WHERE _partition = 0',
        );
        expect(holes).toEqual({ n: malformed.length });
      });
    }));

  test('at the end of a partition keeps its offset: the next run goes on after it', () =>
    inDirectory(async (dataDir) => {
      const lastOffset = await inStack(dataDir, async (stack) => {
        stack.log.append([
          {
            topic: linkStates.topic,
            partition: 0,
            key: null,
            value: Buffer.from('?'),
            timestampMs: Date.now(),
            headers: {},
          },
        ]);
        expect(await stack.settle(120_000)).toBe(true);
        await stack.stop(60_000);
        return stack.log.endOffset(linkStates.topic, 0) - 1;
      });
      await inStack(dataDir, async (stack) => {
        expect(stack.log.endOffset(linkStates.topic, 0)).toBe(lastOffset + 1);
        await stack.stop(60_000);
      });
    }));
});
