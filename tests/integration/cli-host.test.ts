import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWeir, weir } from './cli-process.fixture.ts';
import { newDirectory, send, until } from './embedded-clickhouse.fixture.ts';
import { released } from './weir.fixture.ts';

let directory: string;
beforeAll(async () => {
  directory = await newDirectory();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function passwordFile(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

test('an address that other hosts reach is refused without a password', async () => {
  const data = join(directory, 'refused');
  const { exitCode, stderr } = await weir(['demo', '--for', '1s', '--host', '0.0.0.0', '--data', data]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--host: 0.0.0.0');
  expect(stderr).toContain('--password-file <file>');
});

test('an empty password file is no password', async () => {
  const args = ['--host', '0.0.0.0', '--data', join(directory, 'empty')];
  const { exitCode, stderr } = await weir([
    'demo',
    ...args,
    '--password-file',
    await passwordFile('e', '\n'),
  ]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('is empty');
});

test('with a password file it listens there, for those who know the password', async () => {
  const data = join(directory, 'open');
  const password = ['--password-file', await passwordFile('p', 'pass word\n')];
  const { child, ended } = startWeir(['demo', '--host', '0.0.0.0', '--data', data, ...password]);
  let url = '';
  await until(async () => {
    const text = await readFile(join(data, 'endpoint.json'), 'utf8').catch(() => '{}');
    const read: unknown = JSON.parse(text === '' ? '{}' : text);
    if (typeof read === 'object' && read !== null && 'url' in read) url = String(read.url);
    return url !== '';
  });
  const select = (headers: Record<string, string>): Promise<{ status: number; text: string }> =>
    send(url.replace('0.0.0.0', '127.0.0.1'), { method: 'POST', headers, body: 'SELECT 1' });
  expect((await select({})).status).toBe(403);
  expect((await select({ 'X-ClickHouse-User': 'readonly' })).status).toBe(403);
  expect(await select({ 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': 'pass word' })).toMatchObject({
    status: 200,
    text: '1\n',
  });
  child.kill('SIGINT');
  const { exitCode, stderr } = await ended;
  // A machine that is too slow to deliver within 5 s ends with 1.
  if (exitCode !== 0) {
    expect(stderr).toMatch(/records did not reach ClickHouse|did not stop within 5 s/);
    expect(exitCode).toBe(1);
    await released(data);
  }
  const report = await weir(['report', 'flapping-devices', '--data', data, ...password]);
  expect(report).toMatchObject({ exitCode: 0 });
  const locked = await weir([
    'report',
    'flapping-devices',
    '--data',
    data,
    '--password-file',
    join(directory, 'none'),
  ]);
  expect(locked).toMatchObject({ exitCode: 2 });
});
