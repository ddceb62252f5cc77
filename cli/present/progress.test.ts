import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryIo } from '../io.fixture.ts';
import { startProgress, withProgress } from './progress.ts';

describe('progress', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('shows nothing for work that ends within a second', () => {
    const io = memoryIo({ stderrIsTty: true, stderrColumns: 80 });
    const progress = startProgress(io, 'working');
    vi.advanceTimersByTime(900);
    progress.stop();
    vi.advanceTimersByTime(10_000);
    expect(io.err()).toBe('');
  });

  it('writes over one line of a terminal, cut to its width, and removes it at the end', () => {
    const io = memoryIo({ stderrIsTty: true, stderrColumns: 20 });
    const progress = startProgress(io, 'working');
    vi.advanceTimersByTime(1_000);
    expect(io.err()).toBe('\rworking (1 s)\u001b[K');
    progress.update('reading a file with a long name');
    vi.advanceTimersByTime(200);
    expect(io.err().endsWith('\rreading a file wit…\u001b[K')).toBe(true);
    expect(io.err()).not.toContain('\n');
    progress.stop();
    progress.stop();
    expect(io.err().endsWith('…\u001b[K\r\u001b[K')).toBe(true);
    expect(io.out()).toBe('');
  });

  it('writes a plain line every 5 s where stderr is no terminal', () => {
    const io = memoryIo();
    const progress = startProgress(io, 'working');
    vi.advanceTimersByTime(4_900);
    expect(io.err()).toBe('');
    vi.advanceTimersByTime(60_100);
    progress.stop();
    expect(io.err().split('\n').slice(0, 2)).toEqual(['working (5 s)', 'working (10 s)']);
    expect(io.err().endsWith('working (1 min 5 s)\n')).toBe(true);
    expect(io.err()).not.toContain('\u001b');
  });

  it('prints notes on lines of their own', () => {
    const io = memoryIo({ stderrIsTty: true, stderrColumns: 80 });
    const progress = startProgress(io, 'working');
    vi.advanceTimersByTime(1_000);
    progress.note('ClickHouse was started again');
    expect(io.err().endsWith('\r\u001b[KClickHouse was started again\n')).toBe(true);
    progress.stop();
  });

  it('ends with the work, also when it fails', async () => {
    const io = memoryIo();
    await expect(withProgress(io, 'working', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(vi.getTimerCount()).toBe(0);
  });
});
