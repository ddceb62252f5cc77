import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { weir } from './cli-process.fixture.ts';

const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

describe('the built weir', () => {
  it('prints version and help on stdout', async () => {
    expect(await weir(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
    const help = await weir(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('Exit codes:');
  });

  it.each([
    [['reprot'], "weir: unknown command 'reprot'\n  (Did you mean report?)\n"],
    [['report', 'seconds-on-standbi'], "did you mean 'seconds-on-standby'?"],
    [
      ['report', 'seconds-on-standby', '--param', 'since=yesterday'],
      "parameter 'since' must be DateTime64(3), not 'yesterday'\n  try: --param since=2026-03-01T12:00:00Z\n",
    ],
    [['report', 'seconds-on-standby', '--param', 'sinse=x'], "did you mean 'since'?"],
    [['report', 'seconds-on-standby', '--url', 'clickhouse'], "--url: 'clickhouse' is no URL"],
    [
      ['report', 'seconds-on-standby', '--url', 'http://127.0.0.1:1', '--password-file', '/no/such/file'],
      '--password-file: ENOENT',
    ],
    [['up', '--ingest-port', '0', '--ingest-host', ''], 'weir: --ingest-host: the address is empty\n'],
  ])('%j is a usage error: exit 2', async (args, message) => {
    const { exitCode, stdout, stderr } = await weir(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });

  it('says what to do where there is no data, and makes nothing: exit 3', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-cli-'));
    rmSync(directory, { recursive: true });
    const { exitCode, stderr } = await weir(['report', 'seconds-on-standby', '--data', directory]);
    expect(stderr).toContain(`weir: there is no data in ${directory}\n  try: make some: weir demo\n`);
    expect(exitCode).toBe(3);
    expect(() => readFileSync(directory)).toThrow('ENOENT');
  });

  it('says which server does not answer: exit 3', async () => {
    const { exitCode, stderr } = await weir(['report', 'seconds-on-standby', '--url', 'http://127.0.0.1:1']);
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).toContain('try: start it');
    expect(exitCode).toBe(3);
  });

  it.each([
    [['--verbose'], {}],
    [[], { WEIR_DEBUG: '1' }],
  ])('adds stacks with %j %j', async (args, env) => {
    const { stderr } = await weir(['report', 'no-such', ...args], env);
    expect(stderr).toContain('    at ');
  });

  it('colours only when told to, on a pipe', async () => {
    expect((await weir(['topology'])).stdout).not.toContain('\u001b');
    expect((await weir(['topology'], { FORCE_COLOR: '1', NO_COLOR: '' })).stdout).toContain('\u001b[1m');
  });

  it('doctor finds this machine able to run the embedded ClickHouse', async () => {
    const { exitCode, stdout } = await weir(['doctor', '--format', 'json']);
    const checks = JSON.parse(stdout) as readonly { check: string; state: string; found: string }[];
    expect(checks.filter(({ state }) => state === 'missing')).toEqual([]);
    expect(checks.find(({ check }) => check === 'chdb')?.found).toMatch(/^answers as ClickHouse \d+\./);
    expect(exitCode).toBe(0);
  });

  it('doctor names what is missing: exit 3', async () => {
    const { exitCode, stdout } = await weir(['doctor', '--data', '/proc/weir']);
    expect(stdout).toMatch(
      /^missing {2}data directory: .*\n {2}for: .*\n {2}try: give this user write access to \/proc/m,
    );
    expect(exitCode).toBe(3);
  });
});
