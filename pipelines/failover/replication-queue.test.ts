import { describe, expect, it } from 'vitest';
import { oldestUnsentBins, queueAfterBin } from './replication-queue.ts';
import { vectors } from './vectors.fixture.ts';

function simulate(written: readonly number[], perBin: number): { Q: number[]; rpo_bins: (number | null)[] } {
  const Q: number[] = [];
  const ages: (number | null)[] = [];
  let queue = 0;
  written.forEach((bytes, t) => {
    queue = queueAfterBin(queue, bytes, perBin);
    Q.push(queue);
    ages.push(oldestUnsentBins(queue, written.slice(0, t + 1)));
  });
  return { Q, rpo_bins: ages };
}

describe('replication queue', () => {
  const { W, B20, B25 } = vectors.rpo_queue;
  it.each([
    { perBin: 20, expected: B20 },
    { perBin: 25, expected: B25 },
  ])('follows the fluid model at $perBin bytes per bin', ({ perBin, expected }) => {
    expect(simulate(W, perBin)).toEqual({ Q: expected.Q, rpo_bins: expected.rpo_bins });
  });

  it('says that the oldest unsent byte is older than the bins it knows, instead of guessing', () => {
    expect(oldestUnsentBins(31, [10, 20])).toBeNull();
    expect(oldestUnsentBins(30, [10, 20])).toBe(2);
  });
});
