import { describe, expect, it } from 'vitest';
import { randomFor } from './random.ts';

function draws(seed: number, name: string, count: number): number[] {
  const random = randomFor(seed, name);
  return Array.from({ length: count }, () => random.uniform());
}

describe('randomFor', () => {
  it('gives the same numbers for the same seed and name, and others for any other', () => {
    const reference = draws(1, 'vm-01', 8);
    expect(draws(1, 'vm-01', 8)).toEqual(reference);
    expect(draws(2, 'vm-01', 8)).not.toEqual(reference);
    expect(draws(1, 'vm-02', 8)).not.toEqual(reference);
  });

  it('is uniform: each tenth of [0, 1) gets its share within five standard deviations', () => {
    const bins = new Array<number>(10).fill(0);
    const count = 100_000;
    for (const value of draws(7, 'uniform', count)) bins[Math.floor(value * 10)]!++;
    const deviation = Math.sqrt(count * 0.1 * 0.9);
    for (const bin of bins) expect(Math.abs(bin - count / 10)).toBeLessThan(5 * deviation);
  });

  it('is uniform across names as well: first draws of a thousand names average one half', () => {
    const firsts = Array.from({ length: 1000 }, (_, index) => draws(1, `vm-${index}`, 1)[0]!);
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(1000));
  });

  it('has exponential waiting times with the mean asked for', () => {
    const random = randomFor(3, 'waiting');
    let sum = 0;
    for (let index = 0; index < 20_000; index++) sum += random.exponential(500);
    expect(Math.abs(sum / 20_000 - 500)).toBeLessThan((5 * 500) / Math.sqrt(20_000));
  });
});
