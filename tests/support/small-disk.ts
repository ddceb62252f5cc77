/**
 * Full disks, for real: small file systems in memory. Mounting them takes root, which CI and containers have: without it a test
 * that needs one is skipped, but not in CI.
 */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

/** The directory of a new file system of `sizeKib` KiB, which is gone when the test has ended, after its hooks. */
export async function smallDisk(context: TestContext, sizeKib: number): Promise<string> {
  const mount = await mkdtemp(join(tmpdir(), 'weir-disk-'));
  context.onTestFinished(() => rm(mount, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'weir-test', mount], { stdio: 'pipe' });
  } catch (cause) {
    if (process.env['CI'] !== 'true')
      context.skip('it mounts a small file system, which takes root (CAP_SYS_ADMIN)');
    throw new Error('this test mounts a small file system: run it as root, with CAP_SYS_ADMIN', { cause });
  }
  context.onTestFinished(() => {
    execFileSync('umount', ['--lazy', mount]);
  });
  return mount;
}

/** Writes to a file until not a byte more goes in. */
export async function fill(path: string): Promise<void> {
  for (let size = 1 << 20; size >= 1; size >>= 4) {
    const block = Buffer.alloc(size, 1);
    for (;;) {
      try {
        await appendFile(path, block);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') break;
        throw error;
      }
    }
  }
}
