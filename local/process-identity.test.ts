import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { end, hasEnded, identityOf, isRunning, signal } from './process-identity.ts';

/** Much longer than anything takes: a machine that is slow fails no test. */
const patienceMs = 40_000;

describe('the identity of a process', () => {
  const children: ChildProcess[] = [];
  const start = async (script: string): Promise<ChildProcess> => {
    const child = spawn(
      process.execPath,
      ['-e', `${script}; setInterval(() => {}, 1000); console.log('up')`],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  };
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  it('is the same while it runs, and none afterwards', async () => {
    const child = await start('');
    const identity = identityOf(child.pid!)!;
    expect(identityOf(child.pid!)).toEqual(identity);
    expect(isRunning(identity)).toBe(true);
    child.kill('SIGKILL');
    expect(await hasEnded(identity, patienceMs)).toBe(true);
    expect(isRunning(identity)).toBe(false);
  });

  it('tells a process from another with its id, which gets no signal', async () => {
    const child = await start('');
    const stranger = { pid: child.pid!, startedAt: 'another boot/1' };
    expect(isRunning(stranger)).toBe(false);
    signal(stranger, 'SIGKILL');
    expect(await end(stranger, 100)).toBe(false);
    expect(isRunning(identityOf(child.pid!)!)).toBe(true);
  });

  it.each([
    ['heeds SIGTERM', '', false],
    ['ignores SIGTERM', "process.on('SIGTERM', () => {})", true],
  ])('ends one that %s', async (_, script, byKill) => {
    const child = await start(script);
    const identity = identityOf(child.pid!)!;
    expect(await end(identity, byKill ? 300 : patienceMs)).toBe(byKill);
    expect(isRunning(identity)).toBe(false);
  });

  it('ends one that is frozen by SIGTERM alone', async () => {
    const child = await start('');
    const identity = identityOf(child.pid!)!;
    child.kill('SIGSTOP');
    expect(await end(identity, patienceMs)).toBe(false);
  });
});
