/** The published figures that the tests of this folder check. */
import { readFileSync } from 'node:fs';

interface Queue {
  readonly Q: readonly number[];
  readonly rpo_bins: readonly number[];
}

interface Vectors {
  readonly ses: { readonly y: readonly number[]; readonly alpha: number; readonly forecast: number };
  readonly ets_aaa_austourists: {
    readonly y: readonly number[];
    readonly alpha: number;
    readonly beta: number;
    readonly gamma: number;
    readonly l0: number;
    readonly b0: number;
    readonly season_in_use_order: readonly number[];
    readonly forecast: readonly number[];
  };
  readonly phi_accrual: {
    readonly mean: number;
    readonly sd: number;
    readonly phi: Readonly<Record<string, number>>;
    readonly tol: number;
  };
  readonly rpo_queue: {
    readonly W: readonly number[];
    readonly B20: Queue;
    readonly B25: Queue;
    readonly minB_for_R1: number;
  };
}

export const vectors = JSON.parse(
  readFileSync(new URL('./fixtures/vectors.json', import.meta.url), 'utf8'),
) as Vectors;
