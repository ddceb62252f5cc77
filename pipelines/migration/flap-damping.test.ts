import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { penaltyAfterFlap, penaltyAt, reuseAfterMs, type FlapDamping } from './flap-damping.ts';
import { parameters } from './parameters.ts';
import { link, run, startMs } from './scenario.fixture.ts';

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

  it('has the published figures as the defaults of the processor', () => {
    expect(parameters).toMatchObject({ flapPenalty: vector.penalty, ...damping });
  });

  it('gives the published penalties and time through the processor, by its defaults', () => {
    const flapsMs = vector.flaps_s.map((seconds) => seconds * 1000);
    const back = 500;
    const lastMs = flapsMs.at(-1)!;
    const reuseMs = lastMs + vector.reuse_after_s * 1000;
    const { transitions, alerts } = run([
      link(-1_000),
      ...flapsMs.flatMap((atMs) => [link(atMs, { link_up: false }), link(atMs + back)]),
      // Moves the watermark past the reuse timer.
      link(reuseMs + 1_000),
    ]);
    const losses = transitions.filter(({ to }) => to === 'standby');
    expect(losses.map(({ at }) => at - startMs)).toEqual(flapsMs);
    losses.forEach(({ flap_penalty: penalty }, i) => {
      expect(penalty).toBeCloseTo(vector.after[i]!, 3);
    });
    expect(losses.map(({ suppressed }) => suppressed)).toEqual([false, false, true]);
    const flapping = alerts.filter(({ kind }) => kind === 'flapping');
    expect(flapping.map(({ at }) => at - startMs)).toEqual([lastMs]);

    const returns = transitions.filter(({ from, to }) => from === 'standby' && to === 'primary');
    expect(returns.slice(0, -1).map(({ at }) => at - startMs)).toEqual(
      flapsMs.slice(0, -1).map((atMs) => atMs + back + parameters.holdDownMs),
    );
    const reused = returns.at(-1)!;
    expect(reused.flap_penalty).toBeCloseTo(vector.reuse, 2);
    // Timers are in whole milliseconds and never early; the published time is rounded to them.
    expect([0, 1]).toContain(reused.at - startMs - reuseMs);
    expect(reused.suppressed).toBe(false);
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
