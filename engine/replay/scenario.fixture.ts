/** A seeded run of readings for tests of replays: several keys, rejected and repeated events, late ones, changing limits. */
import { input } from '../topology/processor.ts';
import type { App } from '../topology/app.ts';
import { limits, others, readings, readingsApp, summing, watching } from '../task/readings.fixture.ts';
import type { ScenarioEvent } from './scenario.ts';
import { seededRandom } from './variation.ts';

/** The readings app with repetitions dropped at its first input. */
export const replayedApp: App = {
  ...readingsApp,
  processors: [
    {
      ...summing,
      inputs: {
        readings: input(readings, { idleAfterMs: 1_000, deduplicateLast: 3, allowedLatenessMs: 300 }),
        others: input(others, { idleAfterMs: 1_000 }),
      },
      parameters: { alarmAt: 60 },
    },
    watching,
  ],
};

const startMs = 1_000_000;

/** Some 40 s of events. With `stepMs`, all times are multiples of it. */
export function storyEvents(seed: number, count: number, stepMs = 1): readonly ScenarioEvent[] {
  const random = seededRandom(seed, 'story');
  const whole = (below: number): number => Math.floor(random() * below);
  const events: ScenarioEvent[] = [];
  for (let i = 0; i < count; i += 1) {
    const at = startMs + Math.floor((i * 40_000) / count / stepMs) * stepMs;
    const id = `thing-${whole(7)}`;
    const kind = whole(20);
    if (kind === 0) events.push({ topic: limits.topic, event: { id, at, n: 20 + whole(60) } });
    else if (kind < 4) events.push({ topic: others.topic, event: { id, at, n: whole(2) } });
    else if (kind === 4) events.push({ topic: readings.topic, event: { id, at, n: 13 } });
    else if (kind < 7) {
      events.push({ topic: readings.topic, event: { id, at, n: 5 }, id: `again-${whole(4)}` });
    } else if (kind === 7) {
      events.push({
        topic: readings.topic,
        event: { id, at: at - stepMs * whole(900), n: 2 },
        arrivesAtMs: at,
      });
    } else events.push({ topic: readings.topic, event: { id, at, n: 1 + whole(9) } });
  }
  return events;
}
