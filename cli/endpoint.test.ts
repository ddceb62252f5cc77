import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeEndpoint, runningEndpoint, writeEndpoint } from './endpoint.ts';

describe('endpoint', () => {
  let dataDir: string;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'weir-endpoint-'));
    server = createServer((request, response) => {
      response.statusCode = request.url === '/ping' ? 200 : 404;
      response.end('Ok.\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    rmSync(dataDir, { recursive: true });
  });

  it('is found while its process lives and its URL answers', async () => {
    await writeEndpoint(dataDir, { url, pid: process.pid });
    expect(await runningEndpoint(dataDir)).toEqual({ url, pid: process.pid });
    expect(readdirSync(dataDir)).toEqual(['endpoint.json']);
    await removeEndpoint(dataDir);
    await removeEndpoint(dataDir);
    expect(await runningEndpoint(dataDir)).toBeUndefined();
  });

  it('is not believed when its process is gone', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeEndpoint(dataDir, { url, pid });
    expect(await runningEndpoint(dataDir)).toBeUndefined();
  });

  it('is not believed when nothing answers there', async () => {
    await writeEndpoint(dataDir, { url, pid: process.pid });
    await new Promise((resolve) => server.close(resolve));
    expect(await runningEndpoint(dataDir)).toBeUndefined();
  });

  it.each(['', '{', '[]', 'null', '{"url":"no url","pid":1}', '{"url":"http://127.0.0.1:1"}'])(
    'is not believed when it says %j',
    async (text) => {
      writeFileSync(join(dataDir, 'endpoint.json'), text);
      expect(await runningEndpoint(dataDir)).toBeUndefined();
    },
  );

  it('is absent where there is no directory', async () => {
    expect(await runningEndpoint(join(dataDir, 'nowhere'))).toBeUndefined();
  });
});
