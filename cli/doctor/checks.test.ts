import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostIoChecks } from './host-io-checks.ts';
import { memoryCheck, openFilesCheck } from './limit-checks.ts';
import { dataDirCheck, diskSpaceCheck, loopbackCheck } from './place-checks.ts';
import { dockerCheck, javaCheck, mavenCheck } from './program-checks.ts';
import { nodeCheck, platformCheck } from './runtime-checks.ts';
import { runProgram } from './run-program.ts';

const mebibyte = 1024 * 1024;

describe('nodeCheck', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['20.18.9', 'missing'],
    ['18.20.0', 'missing'],
    ['22.1.0', 'ok'],
    ['24.0.0', 'ok'],
  ])('%s is %s', (version, state) => {
    expect(nodeCheck(version).state).toBe(state);
  });
});

describe('platformCheck', () => {
  it.each([
    ['linux', 'x64', '2.36', 'ok'],
    ['linux', 'arm64', '2.28', 'ok'],
    ['linux', 'x64', '2.17', 'missing'],
    ['linux', 'x64', undefined, 'missing'],
    ['linux', 'riscv64', '2.36', 'missing'],
    ['darwin', 'arm64', undefined, 'ok'],
    ['win32', 'x64', undefined, 'missing'],
  ])('%s %s with glibc %s is %s', (os, arch, glibc, state) => {
    const check = platformCheck({ os, arch, glibc });
    expect(check.state).toBe(state);
    expect(check.remedy === undefined).toBe(state === 'ok');
  });
});

describe('limits', () => {
  it.each([
    [0, 8192, 'ok', '8192 MiB'],
    [512, 8192, 'optional-missing', "512 MiB (this container's limit)"],
    [4096, 8192, 'ok', "4096 MiB (this container's limit)"],
    [2 ** 43, 8192, 'ok', '8192 MiB'],
    [0, 700, 'optional-missing', '700 MiB'],
  ])('%i MiB of a machine with %i MiB is %s', (limit, machine, state, found) => {
    expect(memoryCheck(limit * mebibyte, machine * mebibyte)).toMatchObject({ state, found });
  });

  it.each([
    ['Max open files            256                  4096                 files', 'optional-missing'],
    ['Max open files            1024                 4096                 files', 'ok'],
    ['Max open files            unlimited            unlimited            files', 'ok'],
    ['', 'ok'],
  ])('%j is %s', (limits, state) => {
    expect(openFilesCheck(limits).state).toBe(state);
  });
});

describe('programs', () => {
  it.each([
    [0, 'openjdk version "17.0.15" 2025-04-15', 'ok', 'Java 17.0.15'],
    [0, 'openjdk version "21" 2023-09-19', 'ok', 'Java 21'],
    [0, 'java version "1.8.0_392"', 'optional-missing', 'Java 8.0_392'],
    [0, 'openjdk version "11.0.2"', 'optional-missing', 'Java 11.0.2'],
    ['ENOENT', '', 'optional-missing', 'not installed'],
    [
      1,
      'Error: could not find libjava.so',
      'optional-missing',
      'does not answer (1) Error: could not find libjava.so',
    ],
  ])('java: %s %j is %s', (outcome, text, state, found) => {
    expect(javaCheck({ outcome, text })).toMatchObject({ state, found });
  });

  it.each([
    [0, '\u001b[1mApache Maven 3.8.7\u001b[m\nMaven home: /usr/share/maven', 'ok', 'Apache Maven 3.8.7'],
    ['ENOENT', '', 'optional-missing', 'not installed'],
    [1, 'JAVA_HOME is not set', 'optional-missing', 'does not answer (1) JAVA_HOME is not set'],
  ])('maven: %s %j is %s', (outcome, text, state, found) => {
    expect(mavenCheck({ outcome, text })).toMatchObject({ state, found });
  });

  it.each([
    [0, '27.3.1', 'ok', undefined],
    ['ENOENT', '', 'optional-missing', 'install Docker, or Java'],
    [
      1,
      'Cannot connect to the Docker daemon',
      'optional-missing',
      'start the Docker daemon, and allow this user to use it (group docker)',
    ],
  ])('docker: %s %j is %s', (outcome, text, state, remedy) => {
    const check = dockerCheck({ outcome, text });
    expect(check.state).toBe(state);
    expect(check.remedy).toBe(remedy);
  });

  it('are run with a bound on their time', async () => {
    const node = process.execPath;
    const run = (script: string, timeoutMs: number): ReturnType<typeof runProgram> =>
      runProgram(node, ['--eval', script], { timeoutMs });
    expect(await run('setInterval(() => {}, 1000)', 500)).toEqual({ outcome: 'SIGKILL', text: '' });
    expect((await run('process.exit(3)', 50_000)).outcome).toBe(3);
    expect((await runProgram('weir-no-such-program', [], { timeoutMs: 50_000 })).outcome).toBe('ENOENT');
  });
});

describe('places', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-doctor-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('a data directory that can be made is ok, and nothing is left in its place', async () => {
    const dataDir = join(directory, 'a', 'b');
    expect(await dataDirCheck(dataDir)).toMatchObject({ state: 'ok', found: `${dataDir} can be written` });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('a file in the way is named', async () => {
    writeFileSync(join(directory, 'file'), '');
    const check = await dataDirCheck(join(directory, 'file', 'data'));
    expect(check.state).toBe('missing');
    expect(check.found).toContain(join(directory, 'file'));
  });

  it('a place that cannot be written is missing, with a remedy', async () => {
    // Nobody, root included, can make a directory in /proc.
    const check = await dataDirCheck('/proc/weir');
    expect(check.state).toBe('missing');
    expect(check.remedy).toContain('/proc');
  });

  it('free disk space and a loopback port are found', async () => {
    expect((await diskSpaceCheck(directory)).found).toMatch(/^\d+ MiB free in /);
    expect(await loopbackCheck()).toMatchObject({ state: 'ok' });
  });

  it('what the host I/O agent reads is optional', () => {
    mkdirSync(join(directory, 'proc'));
    const roots = { procRoot: join(directory, 'proc'), sysRoot: join(directory, 'sys') };
    expect(hostIoChecks(roots).map(({ state }) => state)).toEqual(['optional-missing', 'optional-missing']);
    expect(hostIoChecks(roots)[0]!.found).toContain('ENOENT');
    writeFileSync(join(directory, 'proc', 'diskstats'), '   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n');
    expect(hostIoChecks(roots)[0]).toMatchObject({ state: 'ok' });
  });
});
