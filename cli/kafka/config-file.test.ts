import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, readConfigFile } from './config-file.ts';

describe('a configuration file', () => {
  it('gives what it holds', () => {
    const kafka = { brokers: ['kafka-1:9093'], tls: true };
    const clickhouse = {
      url: 'https://ch:8443',
      user: 'weir',
      passwordFile: '/run/ch',
      database: 'weir',
      cluster: 'main',
    };
    const parameters = { 'migration.device-failover': { holdDownMs: 5000, name: 'a=b', isOn: true } };
    expect(parseConfig({ kafka, clickhouse, workers: 3, only: ['migration'], parameters }, 'f')).toEqual({
      kafka,
      clickhouse,
      workers: 3,
      only: ['migration'],
      settings: [
        'migration.device-failover.holdDownMs=5000',
        'migration.device-failover.name=a=b',
        'migration.device-failover.isOn=true',
      ],
    });
    expect(parseConfig({}, 'f')).toEqual({ settings: [] });
  });

  it.each([
    [
      { clickhouse: { password: 'hunter2' } },
      'clickhouse.password: a password does not belong into settings',
    ],
    [{ kafkas: {} }, "there is no setting in f 'kafkas'; did you mean 'kafka'?"],
    [
      { clickhouse: { urls: 'x' } },
      "there is no setting in f 'clickhouse.urls'; did you mean 'clickhouse.url'?",
    ],
    [{ clickhouse: { url: 5 } }, 'clickhouse.url must be text'],
    [{ clickhouse: 'http://ch' }, 'clickhouse must be an object'],
    [{ workers: 0 }, 'workers must be a whole number from 1 to 64'],
    [{ workers: '2' }, 'workers must be a whole number from 1 to 64'],
    [{ only: 'migration' }, 'only must be a list'],
    [{ only: [] }, 'only must be a list'],
    [{ parameters: { p: 5 } }, 'parameters.p must be an object'],
    [{ parameters: { p: { q: null } } }, 'parameters.p.q must be a text, a number, true or false'],
    [[], 'it must hold an object'],
    [null, 'it must hold an object'],
  ])('is refused: %j', (content, message) => {
    expect(() => parseConfig(content, 'f')).toThrow(message);
    expect(() => parseConfig(content, 'f')).not.toThrow('hunter2');
  });
});

describe('a configuration file on disk', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-test-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('that is no JSON is refused by its line, and not quoted: a secret may stand there', async () => {
    const path = join(directory, 'weir.config.json');
    await writeFile(path, '{\n  "kafka": {},\n  "password": hunter2\n}');
    const error: unknown = await readConfigFile(path).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'usage' });
    expect(String(error)).toMatch(/weir\.config\.json is no JSON/);
    expect(String(error)).not.toContain('hunter2');
    expect((error as Error).cause).toBeUndefined();
  });

  it('may begin with a byte order mark', async () => {
    const path = join(directory, 'marked.json');
    await writeFile(path, '\uFEFF{ "workers": 2 }');
    expect(await readConfigFile(path)).toMatchObject({ workers: 2 });
  });

  it('must be there where it is named, and need not be where it is not', async () => {
    const missing = join(directory, 'none.json');
    await expect(readConfigFile(missing)).rejects.toMatchObject({
      code: 'usage',
      message: `--config: there is no file ${missing}`,
    });
    expect(await readConfigFile(undefined)).toEqual({ settings: [] });
  });
});
