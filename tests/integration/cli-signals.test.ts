import { describe, expect, it } from 'vitest';
import { startScript, startWeir, type Started } from './cli-process.fixture.ts';

/** Work that runs until its signal is aborted, and then takes `takesMs` to end. */
function work(takesMs: number, limitMs = 5_000): Started {
  return startScript(`
    import { processIo } from '$DIST/cli/io.js';
    import { withSignals } from '$DIST/cli/signals.js';
    const io = processIo();
    await withSignals(io, async (signal) => {
      const alive = setInterval(() => io.stdout.write('.'), 20);
      io.stdout.write('started');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, ${takesMs}));
      clearInterval(alive);
      process.stderr.write('ended by itself');
    }, ${limitMs});
  `);
}

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'the first %s lets the work end by itself: exit 0',
    async (signal) => {
      const { child, seen, ended } = work(50);
      await seen('started');
      child.kill(signal);
      expect(await ended).toMatchObject({
        exitCode: 0,
        stderr: 'weir: stopping; once more to stop at once\nended by itself',
      });
    },
  );

  it('the second ends the process at once: exit 130', async () => {
    // Only the second can end it so soon.
    const { child, seen, ended } = work(120_000, 120_000);
    await seen('started');
    child.kill('SIGINT');
    await seen('stopping');
    const secondMs = performance.now();
    child.kill('SIGINT');
    const { exitCode, stderr } = await ended;
    expect(exitCode).toBe(130);
    expect(stderr).not.toContain('ended by itself');
    expect(performance.now() - secondMs).toBeLessThan(60_000);
  });

  it('work that does not end within its limit is ended: exit 1', async () => {
    const { child, seen, ended } = work(60_000, 300);
    await seen('started');
    child.kill('SIGINT');
    const { exitCode, stderr } = await ended;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('weir: did not stop within 0.3 s and was ended');
  });

  it('a reader of stdout that goes away ends the work quietly', async () => {
    const { child, seen, ended } = work(10);
    await seen('started');
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ exitCode: 0, stderr: 'ended by itself' });
  });

  it('a short command ends quietly when its reader has gone', async () => {
    const { child, ended } = startWeir(['topology', '--format', 'json']);
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ exitCode: 0, stderr: '' });
  });
});
