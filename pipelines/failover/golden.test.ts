import { describe, expect, it } from 'vitest';
import {
  replayGolden,
  replayHarshly,
  withoutPositions,
  type GoldenCase,
} from '#engine/replay/golden.fixture.ts';
import type { EmittedEvent } from '#engine/replay/replay-events.ts';
import { ioPrediction } from './io-prediction.ts';
import { replicationNeeds } from './replication-needs.ts';
import { telemetrySuspicion } from './telemetry-suspicion.ts';

describe.each([ioPrediction, replicationNeeds, telemetrySuspicion])('golden replay of $name', (processor) => {
  const golden: GoldenCase = {
    processor,
    scenario: new URL('./fixtures/devices.ndjson', import.meta.url),
    golden: new URL(`./golden/${processor.name.replace('failover.', '')}.ndjson`, import.meta.url),
    settleMs: 10_000,
  };

  it('gives what it gave', () => {
    const { actual, expected } = replayGolden(golden);
    expect(actual).toEqual(expected);
  });

  it.each([1, 3])('gives the same over %i partitions, in odd batches, through 20 crashes', (partitions) => {
    const { expected } = replayGolden(golden);
    const plain = expected.map((line) => withoutPositions(JSON.parse(line) as EmittedEvent)).sort();
    expect(replayHarshly(golden, partitions)).toEqual(plain);
  });
});
