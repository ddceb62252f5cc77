import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  type EmbeddedServer,
  startEmbeddedServer,
  type ServerEvent,
} from '#sinks/clickhouse/server/embedded-server.ts';
import { newDirectory, startTestServer, until } from './embedded-clickhouse.fixture.ts';
import { isAlive } from './weir.fixture.ts';

function childrenOf(pid: number): readonly number[] {
  // pgrep exits with 1 when it finds none.
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

describe('a killed child', () => {
  test('is replaced on the same port with all that was acknowledged, and tokens are remembered', async () => {
    const events: ServerEvent[] = [];
    const it = await startTestServer({ onEvent: (event) => events.push(event) });
    await it.sql(
      'CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000',
    );
    const batch = async (i: number): Promise<boolean> => {
      const sql = `INSERT INTO t SELECT ${i} * 1000 + number FROM numbers(1000)`;
      return it.post(sql, { insert_deduplication_token: `batch-${i}` }).then(
        (answer) => answer.status === 200,
        () => false,
      );
    };
    for (let i = 0, killed = 0; i < 60; i++) {
      if (i % 25 === 10 && killed < 2) {
        killed++;
        process.kill(it.server.pid(), 'SIGKILL');
      }
      await until(() => batch(i));
    }
    expect(await it.sql('SELECT count(), uniqExact(n) FROM t')).toBe('60000\t60000');
    expect(events.filter(({ type }) => type === 'died')).toHaveLength(2);
    expect(events.filter(({ type }) => type === 'restarted')).toHaveLength(2);
    await it.close();
    expect(await it.server.exited).toEqual({ reason: 'stopped' });
  });

  test('that dies again and again is given up with the reason', async () => {
    const it = await startTestServer({
      maxFastFailures: 1,
      minHealthyMs: 60_000,
      onEvent: (event) => {
        if (event.type === 'restarted') process.kill(event.pid, 'SIGKILL');
      },
    });
    process.kill(it.server.pid(), 'SIGKILL');
    const exit = await it.server.exited;
    expect(exit).toMatchObject({ reason: 'gave-up', error: { code: 'gave-up' } });
    await it.close();
  });
});

describe('stopping', () => {
  test('is bounded while a query runs, ends the child, frees directory and port', async () => {
    const it = await startTestServer({ stopTimeoutMs: 2_000 });
    await it.sql('CREATE TABLE t (n Int32) ENGINE = MergeTree ORDER BY n');
    await it.sql('INSERT INTO t VALUES (1)');
    const endless = it
      .post('SELECT max(sipHash64(number)) FROM numbers(100000000000)')
      .catch(() => undefined);
    await until(async () => (await it.sql('SELECT count() FROM system.processes')) === '2');
    const pid = it.server.pid();
    const startMs = performance.now();
    await it.server.stop();
    await it.server.stop();
    // The query would run for minutes. What is bounded is not a matter of a second or two: the machine may be slow.
    expect(performance.now() - startMs).toBeLessThan(30_000);
    expect(isAlive(pid)).toBe(false);
    await endless;
    const again = await startTestServer({ dataDir: it.dataDir, port: it.server.port });
    expect(await again.sql('SELECT n FROM t')).toBe('1');
    await again.close();
  });

  test('is not for the terminal to decide: SIGINT and SIGTERM leave the child running', async () => {
    const it = await startTestServer();
    process.kill(it.server.pid(), 'SIGINT');
    process.kill(it.server.pid(), 'SIGTERM');
    process.kill(it.server.pid(), 'SIGHUP');
    await sleep(100);
    expect(await it.sql('SELECT 1')).toBe('1');
    await it.close();
  });

  test.each(['when all is well', 'in a start that never ends'])(
    'follows the death of the parent %s',
    async (state) => {
      const dataDir = await newDirectory();
      if (state !== 'when all is well') execFileSync('mkfifo', [join(dataDir, 'lock')]);
      const entry = new URL('../../dist/sinks/clickhouse/server/embedded-server.js', import.meta.url);
      const program = `import { startEmbeddedServer } from ${JSON.stringify(fileURLToPath(entry))};
      const server = await startEmbeddedServer({ dataDir: ${JSON.stringify(dataDir)} });
      console.log('ready');`;
      const args = ['--input-type=module', '-e', program];
      const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      if (state === 'when all is well') await once(parent.stdout, 'data');
      await until(() => childrenOf(parent.pid ?? 0).length === 1);
      const [child = 0] = childrenOf(parent.pid ?? 0);
      // By then the child has been told to start.
      if (state !== 'when all is well') await sleep(1_000);
      parent.kill('SIGKILL');
      await until(() => !isAlive(child));
      await rm(dataDir, { recursive: true });
    },
  );
});

test('a start that never ends is given up by a signal, and no child is left', async () => {
  const dataDir = await newDirectory();
  execFileSync('mkfifo', [join(dataDir, 'lock')]);
  const before = childrenOf(process.pid);
  const givingUp = new AbortController();
  const start = startEmbeddedServer({ dataDir }, givingUp.signal);
  const outcome = expect(start).rejects.toThrow('given up');
  await until(() => childrenOf(process.pid).length > before.length);
  await sleep(500);
  const startMs = performance.now();
  givingUp.abort(new Error('given up'));
  await outcome;
  // The start has 60 s.
  expect(performance.now() - startMs).toBeLessThan(30_000);
  expect(childrenOf(process.pid).filter((pid) => isAlive(pid) && !before.includes(pid))).toEqual([]);
  await expect(startEmbeddedServer({ dataDir }, givingUp.signal)).rejects.toThrow('given up');
  await rm(dataDir, { recursive: true });
});

describe('a start that cannot succeed says where and what to do', () => {
  const failure = async (start: Promise<EmbeddedServer>): Promise<unknown> =>
    start.then(
      async (server) => {
        await server.stop();
        return undefined;
      },
      (error: unknown) => error,
    );

  test('port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const dataDir = await newDirectory();
    const error = await failure(startEmbeddedServer({ dataDir, port }));
    expect(error).toMatchObject({ code: 'port-in-use', retryable: true });
    expect(String(error)).toContain(`port ${port} on 127.0.0.1`);
    other.close();
    await rm(dataDir, { recursive: true });
  });

  test('an address that is not ours', async () => {
    const dataDir = await newDirectory();
    const error = await failure(startEmbeddedServer({ dataDir, host: '192.0.2.1', defaultPassword: 'x' }));
    expect(error).toMatchObject({ code: 'address-not-available' });
    await rm(dataDir, { recursive: true });
  });

  test('directory in use by another server, named by its process id', async () => {
    const it = await startTestServer();
    const error = await failure(startEmbeddedServer({ dataDir: it.dataDir }));
    expect(error).toMatchObject({ code: 'data-dir-locked' });
    expect(String(error)).toContain(`process ${it.server.pid()}`);
    expect(await it.sql('SELECT 1')).toBe('1');
    // Even without the lock file the engine's own lock keeps a second one out.
    await rm(join(it.dataDir, 'lock'));
    const second = await failure(startEmbeddedServer({ dataDir: it.dataDir }));
    expect(second).toMatchObject({ code: 'data-dir-locked' });
    expect(String(second)).toContain(`process ${it.server.pid()}`);
    await it.close();
  });

  test('a lock left behind by a dead process is no hindrance', async () => {
    const dataDir = await newDirectory();
    await writeFile(join(dataDir, 'lock'), '999999 123\n');
    const it = await startTestServer({ dataDir });
    expect(await it.sql('SELECT 1')).toBe('1');
    await it.close();
  });

  test('a file in place of the directory', async () => {
    const parent = await newDirectory();
    const dataDir = join(parent, 'file');
    await writeFile(dataDir, '');
    expect(await failure(startEmbeddedServer({ dataDir }))).toMatchObject({
      code: 'data-dir-not-a-directory',
    });
    await rm(parent, { recursive: true });
  });

  test('a directory that cannot be written', async () => {
    // Root may write anywhere, except in /sys.
    const parent = await newDirectory();
    const readOnly = join(parent, 'read-only');
    await mkdir(readOnly);
    await chmod(readOnly, 0o500);
    const dataDir = process.getuid?.() === 0 ? '/sys/weir' : join(readOnly, 'data');
    const error = await failure(startEmbeddedServer({ dataDir }));
    expect(error).toMatchObject({ code: 'data-dir-not-writable' });
    expect(String(error)).toContain(dataDir);
    await rm(parent, { recursive: true });
  });

  test('a start that never ends is given up, and its process with it', async () => {
    // Opening a FIFO waits for somebody at its other end, for ever.
    const dataDir = await newDirectory();
    execFileSync('mkfifo', [join(dataDir, 'lock')]);
    const error = await failure(startEmbeddedServer({ dataDir, startTimeoutMs: 500 }));
    expect(error).toMatchObject({ code: 'start-timeout' });
    expect(childrenOf(process.pid)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });

  test('senseless limits', async () => {
    const config = { dataDir: '/nowhere', limits: { maxBodyBytes: -1 } };
    expect(await failure(startEmbeddedServer(config))).toMatchObject({ code: 'invalid-config' });
  });
});
