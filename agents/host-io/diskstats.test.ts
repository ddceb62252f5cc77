import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDiskstats } from './diskstats.ts';

function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
}

describe('parseDiskstats', () => {
  it.each([
    ['diskstats-6.18-virtio', 'vda', '254:0', [36652, 5846234, 7002, 2336328]],
    ['diskstats-6.15-nvme', 'nvme0n1p2', '259:2', [255401, 12343477, 996004, 36014736]],
    ['diskstats-4.18', 'hda', '3:0', [446216, 9550688, 424847, 5922052]],
    ['diskstats-2.6', 'hda', '3:0', [446216, 9550688, 424847, 5922052]],
    ['diskstats-2.6', 'hda1', '3:1', [35486, 38030, 38030, 38030]],
  ])('reads %s: %s', (file, name, device, [readOps, readUnits, writeOps, writeUnits]) => {
    const { disks, problems } = parseDiskstats(fixture(file), file);
    expect(problems).toEqual([]);
    const counters = { readOps, readUnits, writeOps, writeUnits };
    expect(disks.find((disk) => disk.name === name)).toEqual({ name, device, counters });
  });

  it('ignores fields that a later kernel may add', () => {
    const line = '8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19';
    expect(parseDiskstats(line, 'diskstats').disks[0]?.counters).toEqual({
      readOps: 1,
      readUnits: 3,
      writeOps: 5,
      writeUnits: 7,
    });
  });

  it.each([
    ['8 0', "expected 'major minor name counters...'"],
    ['x 0 sda 1 2 3 4 5 6 7 8 9 10 11', "no device number: 'x 0'"],
    ['8 0 sda 1 2 3', 'sda: 3 counters'],
    ['8 0 sda 1 2 -3 4 5 6 7 8 9 10 11', "sda: sectors read is not a decimal counter: '-3'"],
    ['8 0 sda 1 2 3 4 5 6 99999999999999999999 8 9 10 11', 'sda: sectors written is beyond 2^53'],
  ])('names file and line of %s, and goes on with the rest', (bad, reason) => {
    const text = `8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n${bad}\n8 32 sdc 1 2 3 4 5 6 7 8 9 10 11\n`;
    const { disks, problems } = parseDiskstats(text, '/proc/diskstats');
    expect(disks.map((disk) => disk.name)).toEqual(['sdb', 'sdc']);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: '/proc/diskstats', line: 2 });
    expect(problems[0]?.reason).toContain(reason);
  });
});
