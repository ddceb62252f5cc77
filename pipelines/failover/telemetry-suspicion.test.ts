import { describe, expect, it } from 'vitest';
import { suspicions as suspicionStream } from '#schemas/failover/generated.ts';
import { everySecond, resultsOf, sample, startMs } from './samples.fixture.ts';
import { telemetrySuspicion } from './telemetry-suspicion.ts';

const steady = everySecond(Array.from({ length: 30 }, () => 1000));
const suspicions = (samples: readonly ReturnType<typeof sample>[], settleMs = 0) =>
  resultsOf(telemetrySuspicion, suspicionStream, samples, {}, settleMs);

describe('suspicion of silent telemetry', () => {
  it('is not raised by a steady rhythm', () => {
    expect(suspicions(steady)).toEqual([]);
  });

  it('is raised once in a silence, at the phi of the threshold, and taken back when a sample comes', () => {
    const rows = suspicions([...steady, sample(60_000), sample(61_000)]);
    expect(rows.map(({ state }) => state)).toEqual(['suspected', 'trusted']);
    expect(rows[0]!.phi).toBeCloseTo(8, 0);
    expect(rows[0]!.silent_ms).toBeGreaterThan(2_000);
    expect(rows[0]!.silent_ms).toBeLessThan(5_000);
    expect(rows[1]).toMatchObject({ silent_ms: 30_000, at: startMs + 60_000 });
  });

  it('is raised while time goes on without any sample at all', () => {
    expect(suspicions(steady, 30_000).map(({ state }) => state)).toEqual(['suspected']);
  });

  it('does not learn that outages are normal', () => {
    const outages = [0, 1, 2, 3].flatMap((i) =>
      steady.map((one) => ({ ...one, sampled_at: one.sampled_at + i * 60_000 })),
    );
    const raised = suspicions(outages).filter(({ state }) => state === 'suspected');
    expect(raised).toHaveLength(3);
    expect(raised[2]!.silent_ms - raised[0]!.silent_ms).toBeLessThan(100);
  });

  it('is not raised before a rhythm is known', () => {
    expect(suspicions([sample(1000), sample(2000), sample(90_000)])).toEqual([]);
  });
});
