/** Random batch boundaries and crash points from a seed, so that a failure can be had again. */
import type { ReplayOptions } from './replay-recording.ts';

export interface VariationConfig {
  readonly seed: number;
  /** Crashes of each task; fewer if it has fewer steps. */
  readonly crashes: number;
  /** Batches have 1 to this many steps; by default 100 each. */
  readonly maxBatch?: number;
}

/** The batch sizes and crash points of a seed: the same ones for the same task and seed. */
export function replayVariation({
  seed,
  crashes,
  maxBatch,
}: VariationConfig): Pick<ReplayOptions, 'batchSize' | 'crashBefore'> {
  return {
    batchSize: (task) => {
      const random = seededRandom(seed, `${task} batches`);
      return () => (maxBatch === undefined ? 100 : 1 + Math.floor(random() * maxBatch));
    },
    crashBefore: (task, steps) => {
      const random = seededRandom(seed, `${task} crashes`);
      const points = new Set<number>();
      while (points.size < Math.min(crashes, steps)) points.add(Math.floor(random() * steps));
      return points;
    },
  };
}

/** Mulberry32 over an FNV-1a hash of seed and name: numbers in [0, 1). For tests, not for secrets. */
export function seededRandom(seed: number, name: string): () => number {
  let state = 0x811c9dc5 ^ seed;
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
