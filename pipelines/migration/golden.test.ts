import { describe, expect, it } from 'vitest';
import {
  replayGolden,
  replayHarshly,
  withoutPositions,
  type GoldenCase,
} from '#engine/replay/golden.fixture.ts';
import type { EmittedEvent } from '#engine/replay/replay-events.ts';
import { deviceFailover } from './device-failover.ts';

const golden: GoldenCase = {
  processor: deviceFailover,
  scenario: new URL('./fixtures/traps.ndjson', import.meta.url),
  golden: new URL('./golden/device-failover.ndjson', import.meta.url),
  settleMs: 30_000,
};

describe('golden replay of migration.device-failover', () => {
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
