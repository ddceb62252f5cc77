/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey, PractRand), one generator for each named thing.
 *
 * I1  The numbers follow from (seed, name) alone, not from what else was drawn before. So a command that reaches one device
 *     changes nothing about when another one's link flaps, and two runs can be compared.
 */

export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** In [low, high). */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  /** A whole number in [0, below). */
  integer(below: number): number;
  /** Exponentially distributed with this mean: waiting times of things that happen independently. */
  exponential(mean: number): number;
}

/** The generator of the thing called `name` under `seed`. */
export function randomFor(seed: number, name: string): Random {
  const next = sfc32(seed >>> 0, fnv1a(name, 0x811c9dc5), fnv1a(name, 0x01000193 ^ seed));
  const uniform = (): number => next() / 2 ** 32;
  return {
    uniform,
    between: (low, high) => low + uniform() * (high - low),
    chance: (probability) => uniform() < probability,
    integer: (below) => Math.floor(uniform() * below),
    exponential: (mean) => -mean * Math.log(1 - uniform()),
  };
}

/** 32-bit FNV-1a (Fowler, Noll, Vo) over UTF-16 code units. */
function fnv1a(text: string, basis: number): number {
  let hash = basis >>> 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}

/** 32-bit outputs; the first 15 are thrown away, as the author's seeding does, to mix the seeds. */
function sfc32(seedA: number, seedB: number, seedC: number): () => number {
  let a = seedA | 0;
  let b = seedB | 0;
  let c = seedC | 0;
  let counter = 1;
  const next = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return result >>> 0;
  };
  for (let round = 0; round < 15; round++) next();
  return next;
}
