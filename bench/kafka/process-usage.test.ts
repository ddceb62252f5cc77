import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { cpuSecondsOf, usageOf } from './process-usage.ts';

test('CPU time is read past a name with spaces and brackets', () => {
  const stat = '42 (a) (b c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 1 0 100 0 0';
  expect(cpuSecondsOf(stat)).toBe(3);
});

test.runIf(process.platform === 'linux')(
  'a process is counted with what it started, and one that is gone is an error',
  async () => {
    const program = 'process.stdout.write("here"); setTimeout(() => {}, 60_000)';
    const shell = spawn('sh', ['-c', '"$0" -e "$1" & wait', process.execPath, program], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => shell.stdout.once('data', resolve));
    const { cpuSeconds, peakMegabytes } = usageOf(shell.pid!);
    process.kill(-shell.pid!, 'SIGKILL');
    await new Promise((resolve) => shell.once('close', resolve));
    // A shell by itself has 2 MB and takes no time that is measured.
    expect(peakMegabytes).toBeGreaterThan(20);
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(() => usageOf(shell.pid!)).toThrow('ENOENT');
  },
);
