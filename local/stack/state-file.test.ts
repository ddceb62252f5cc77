import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityOf, isRunning, type ProcessIdentity } from '../process-identity.ts';
import { localStack, stackStatus, stopStack } from './local-stack.ts';
import { readState, removeState, statePath, takeDirectory, writeState } from './state-file.ts';

const self = identityOf(process.pid)!;
const dead: ProcessIdentity = { pid: process.pid, startedAt: 'another boot/1' };

describe('the directory of a local stack', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-stack-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('is taken by one supervisor; another is told who has it', async () => {
    await takeDirectory(directory, self);
    expect(await readState(directory)).toEqual({ phase: 'starting', supervisor: self });
    await expect(takeDirectory(directory, dead)).rejects.toMatchObject({
      code: 'data-dir-in-use',
      message: expect.stringMatching(
        new RegExp(`^process ${process.pid} is starting Kafka on ${directory} already`),
      ) as string,
    });
  });

  it('is taken by one of many at once', async () => {
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeDirectory(directory, self)));
    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is taken from a supervisor that is dead, whose servers are ended first', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const left = identityOf(child.pid!)!;
    const clickhouse = { url: 'http://127.0.0.1:1', version: '26.7', process: left };
    await writeState(directory, { phase: 'running', supervisor: dead, clickhouse });
    await takeDirectory(directory, self);
    expect(isRunning(left)).toBe(false);
    expect((await readState(directory))?.supervisor).toEqual(self);
  });

  it('has nothing on it when its file is damaged or names processes that are others now', async () => {
    await writeFile(statePath(directory), '{"phase":');
    expect(await localStack(directory)).toBeUndefined();
    expect(await stopStack(directory)).toBe('nothing-runs');

    await writeState(directory, { phase: 'running', supervisor: dead });
    expect(await localStack(directory)).toBeUndefined();
    expect(await stackStatus(directory)).toEqual([]);
    // This test's own process has the id: stopping must not touch it.
    expect(await stopStack(directory)).toBe('nothing-runs');
    expect(await readState(directory)).toBeUndefined();
  });

  it('keeps the state of the supervisor that came after', async () => {
    await writeState(directory, { phase: 'starting', supervisor: self });
    await removeState(directory, { phase: 'stopping', supervisor: dead });
    expect(await readState(directory)).toEqual({ phase: 'starting', supervisor: self });
  });
});
