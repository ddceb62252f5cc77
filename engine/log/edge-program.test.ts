import { describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';
import { startEdgeProgram } from './edge-program.ts';

describe('startEdgeProgram', () => {
  it('runs until it is stopped, and has flushed when stop resolves', async () => {
    let flushed = false;
    const program = startEdgeProgram(
      async (stopping) => {
        await systemClock.sleep(60_000, stopping);
        flushed = true;
      },
      () => 7,
    );
    expect(program.stats()).toBe(7);
    await program.stop();
    await program.stop();
    expect(flushed).toBe(true);
    await program.done;
  });

  it.each([true, false])(
    'stops with the signal it is given (aborted before the start: %s)',
    async (before) => {
      const outer = new AbortController();
      if (before) outer.abort();
      const program = startEdgeProgram(
        (stopping) => systemClock.sleep(60_000, stopping),
        () => 0,
        outer.signal,
      );
      outer.abort();
      await program.done;
    },
  );

  it('tells by done, not by stop, that it failed', async () => {
    const program = startEdgeProgram(
      () => Promise.reject(new Error('disk gone')),
      () => 0,
    );
    await program.stop();
    await expect(program.done).rejects.toThrow('disk gone');
  });
});
