import { describe, expect, it } from 'vitest';
import { parseBlkioThrottle, parseIoStat } from './cgroup-io.ts';

describe('parseIoStat', () => {
  it('reads the example of Documentation/admin-guide/cgroup-v2.rst', () => {
    const text =
      '8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n' +
      '8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n';
    expect(parseIoStat(text, 'io.stat')).toEqual({
      problems: [],
      readings: [
        {
          device: '8:16',
          counters: { readOps: 192, readUnits: 1459200, writeOps: 353, writeUnits: 314773504 },
        },
        {
          device: '8:0',
          counters: { readOps: 8950, readUnits: 90430464, writeOps: 1252, writeUnits: 299008000 },
        },
      ],
    });
  });

  it('gives the counters of a line with several devices to the last (canonical/lxd#10052)', () => {
    const text = '7:7 7:6 7:5 7:4 rbytes=28672 wbytes=0 rios=22 wios=0 dbytes=0 dios=0\n';
    const { readings, problems } = parseIoStat(text, 'io.stat');
    expect(problems).toEqual([]);
    expect(readings.map((reading) => reading.device)).toEqual(['7:4']);
  });

  it('takes neither an empty file nor a device without counters for zero', () => {
    expect(parseIoStat('', 'io.stat')).toEqual({ readings: [], problems: [] });
    expect(parseIoStat('252:0 ', 'io.stat')).toEqual({ readings: [], problems: [] });
  });

  it.each([
    ['(unknown) rbytes=1 wbytes=1 rios=1 wios=1', "found '(unknown)'"],
    ['8:0 rbytes=1 wbytes=1 rios=1', '8:0: wios is missing'],
    ['8:0 rbytes=1 wbytes=x rios=1 wios=1', "8:0: wbytes is not a decimal counter: 'x'"],
    ['rbytes=1 wbytes=1 rios=1 wios=1', 'no device number'],
  ])('reports %s and reads the other lines', (bad, reason) => {
    const { readings, problems } = parseIoStat(
      `${bad}\n8:16 rbytes=1 wbytes=2 rios=3 wios=4\n`,
      '/x/io.stat',
    );
    expect(readings.map((reading) => reading.device)).toEqual(['8:16']);
    expect(problems).toEqual([
      { file: '/x/io.stat', line: 1, reason: expect.stringContaining(reason) as string },
    ]);
  });
});

describe('parseBlkioThrottle', () => {
  const bytes = {
    file: 'blkio.throttle.io_service_bytes',
    text: '8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\nTotal 12288\n',
  };
  const ops = {
    file: 'blkio.throttle.io_serviced',
    text: '8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 3\nTotal 3\n',
  };

  it('joins bytes and operations by device', () => {
    expect(parseBlkioThrottle(bytes, ops)).toEqual({
      problems: [],
      readings: [{ device: '8:0', counters: { readOps: 1, readUnits: 4096, writeOps: 2, writeUnits: 8192 } }],
    });
  });

  it('reads the file of a group without I/O, which has only a total', () => {
    const empty = { file: 'f', text: 'Total 0\n' };
    expect(parseBlkioThrottle(empty, empty)).toEqual({ readings: [], problems: [] });
  });

  it('reports a device that one of the files lacks instead of taking it for zero', () => {
    const { readings, problems } = parseBlkioThrottle(bytes, { file: ops.file, text: 'Total 0\n' });
    expect(readings).toEqual([]);
    expect(problems).toMatchObject([{ file: ops.file, reason: expect.stringContaining('8:0') as string }]);
  });

  it('reports a row of a multipath path (containerd/cgroups#393) and keeps the others', () => {
    const text = `(unknown) Read 1\n${bytes.text}`;
    const { readings, problems } = parseBlkioThrottle({ file: bytes.file, text }, ops);
    expect(readings).toHaveLength(1);
    expect(problems).toMatchObject([{ file: bytes.file, line: 1 }]);
  });
});
