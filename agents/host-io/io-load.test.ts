import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIoLoad } from './io-load.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-io-load-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('the write load', () => {
  it('writes within its file and leaves nothing behind', async () => {
    const load = startIoLoad({ directory, fileBytes: 8192, burstBytes: 4096, everyMs: 1 });
    while (load.stats().writtenBytes < 50_000) await new Promise((resolve) => setTimeout(resolve, 2));
    const [file] = readdirSync(directory);
    expect(statSync(join(directory, file!)).size).toBeLessThanOrEqual(8192);
    await load.stop();
    await load.done;
    expect(readdirSync(directory)).toEqual([]);
  });

  it('names the file when it cannot be written', async () => {
    const missing = join(directory, 'missing');
    const load = startIoLoad({ directory: missing });
    await expect(load.done).rejects.toMatchObject({ code: 'load-failed', retryable: false });
    await expect(load.done).rejects.toThrow(missing);
    expect(existsSync(missing)).toBe(false);
  });
});
