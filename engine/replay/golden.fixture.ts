/**
 * Golden replays: a scenario of events in `fixtures/`, what a processor makes of it in `golden/`. A test compares; it
 * writes the golden file only when asked by WEIR_WRITE_GOLDEN=1, and never in CI.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Processor } from '../topology/processor.ts';
import { replayEvents, type EmittedEvent, type TopicEvent } from './replay-events.ts';

export interface GoldenCase {
  readonly processor: Processor;
  /** A scenario: one TopicEvent as JSON per line. Events on topics that the processor does not read are an error. */
  readonly scenario: URL;
  /** What came of it: one EmittedEvent as JSON per line. */
  readonly golden: URL;
  /** How long time goes on after the last event, milliseconds. */
  readonly settleMs: number;
}

export function readScenario(scenario: URL): readonly TopicEvent[] {
  return linesOf(scenario).map((line) => JSON.parse(line) as TopicEvent);
}

function linesOf(file: URL): readonly string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** The outputs of the scenario as lines, and the golden ones. */
export function replayGolden({ processor, scenario, golden, settleMs }: GoldenCase): {
  readonly actual: readonly string[];
  readonly expected: readonly string[];
} {
  const emitted = replayEvents({ processor, events: readScenario(scenario), settleMs });
  const actual = emitted.map(toLine);
  if (process.env['WEIR_WRITE_GOLDEN'] === '1' && process.env['CI'] === undefined) {
    mkdirSync(new URL('.', golden), { recursive: true });
    writeFileSync(golden, actual.map((line) => `${line}\n`).join(''));
  }
  return { actual, expected: linesOf(golden) };
}

/** The outputs of the same scenario over another number of partitions, in odd batches and with 20 crashes, without positions. */
export function replayHarshly(
  { processor, scenario, settleMs }: GoldenCase,
  partitions: number,
): readonly string[] {
  let batch = 0;
  const emitted = replayEvents({
    processor,
    events: readScenario(scenario),
    settleMs,
    partitions,
    batchSize: () => 1 + (batch++ % 13),
    crashBefore: (steps) =>
      new Set(Array.from({ length: 20 }, (_, i) => Math.floor(((i + 0.5) * steps) / 20))),
  });
  return emitted.map(withoutPositions).sort();
}

/** An output without what names a position: these differ with the number of partitions, and nothing else may. */
export function withoutPositions(emitted: EmittedEvent): string {
  if (emitted.topic === 'weir.dead-letters') {
    return toLine({ ...emitted, key: '', value: (emitted.value as { reason: string }).reason });
  }
  return toLine(emitted).replaceAll(/"cause":\{[^}]*\}/g, '"cause":{}');
}

/** One output as one line of JSON. Bytes are written in base64. */
function toLine({ topic, key, value }: EmittedEvent): string {
  return JSON.stringify({ topic, key, value }, (_, field: unknown) => {
    const bytes = field as { readonly type?: unknown; readonly data?: unknown } | null;
    const isBytes = bytes?.type === 'Buffer' && Array.isArray(bytes.data);
    return isBytes ? Buffer.from(bytes.data as number[]).toString('base64') : field;
  });
}
