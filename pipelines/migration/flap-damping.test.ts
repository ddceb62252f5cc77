import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { penaltyAfterFlap, penaltyAt, reuseAfterMs, type FlapDamping } from './flap-damping.ts';

interface Vector {
  readonly penalty: number;
  readonly half_life_s: number;
  readonly suppress: number;
  readonly reuse: number;
  readonly flaps_s: readonly number[];
  readonly after: readonly number[];
  readonly reuse_after_s: number;
}
const { flap_damping: vector } = JSON.parse(
  readFileSync(new URL('./fixtures/vectors.json', import.meta.url), 'utf8'),
) as { flap_damping: Vector };

const damping: FlapDamping = {
  halfLifeMs: vector.half_life_s * 1000,
  suppressThreshold: vector.suppress,
  reuseThreshold: vector.reuse,
  maxSuppressMs: 3_600_000,
};

describe('flap damping (RFC 2439)', () => {
  it('accumulates and decays as published, and reuses after the published time', () => {
    let penalty = { at_ms: 0, value: 0 };
    vector.flaps_s.forEach((seconds, i) => {
      penalty = penaltyAfterFlap(penalty, seconds * 1000, vector.penalty, damping).penalty;
      expect(penalty.value).toBeCloseTo(vector.after[i]!, 3);
    });
    expect(reuseAfterMs(penalty.value, damping) / 1000).toBeCloseTo(vector.reuse_after_s, 2);
  });

  it('is at the reuse threshold when the wait is over, and not before', () => {
    fc.assert(
      fc.property(fc.double({ min: 751, max: 12_000, noNaN: true }), (value) => {
        const waitMs = reuseAfterMs(value, damping);
        expect(penaltyAt({ at_ms: 0, value }, waitMs, damping)).toBeCloseTo(damping.reuseThreshold, 6);
        expect(penaltyAt({ at_ms: 0, value }, waitMs * 0.99, damping)).toBeGreaterThan(
          damping.reuseThreshold,
        );
      }),
    );
  });

  it('never suppresses for longer than the maximum, however often the link flaps, and says when it cut the penalty', () => {
    let penalty = { at_ms: 0, value: 0 };
    let capped = false;
    for (let i = 1; i <= 100; i++) {
      const after = penaltyAfterFlap(penalty, i * 1000, vector.penalty, damping);
      ({ penalty } = after);
      capped ||= after.capped;
      expect(reuseAfterMs(penalty.value, damping)).toBeLessThanOrEqual(damping.maxSuppressMs + 1e-6);
    }
    expect(capped).toBe(true);
  });

  it('needs no wait at or below the threshold', () => {
    expect(reuseAfterMs(750, damping)).toBe(0);
  });
});
