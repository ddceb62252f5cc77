import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { systemClock } from '../log/clock.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { deadLetters } from '../records/generated.ts';
import { openRecording } from '../replay/recording-reader.ts';
import { expectIdentical, replayRecording } from '../replay/replay-recording.ts';
import { replayedApp, storyEvents } from '../replay/scenario.fixture.ts';
import { withPartitions } from '../replay/scenario.ts';
import { replayVariation } from '../replay/variation.ts';
import { limits, others, readings, verdicts, type Reading } from '../task/readings.fixture.ts';
import type { App } from '../topology/app.ts';
import { EmbeddedEdge } from './embedded-edge.ts';
import { EmbeddedRuntime } from './embedded-runtime.ts';
import { LogRecorder } from './log-recorder.ts';

const spread = withPartitions(replayedApp, 3);
const app: App = { ...spread, streams: [...spread.streams, deadLetters] };
const streams = new Map([readings, others, limits].map((stream) => [stream.topic, stream]));
const parameters = { 'test.summing': { alarmAt: 40 } };

let parent = '';
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'weir-recorder-'));
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

/** Runs a story in real time, its times moved to now; what it does follows the machine's mood. */
async function recordedRun(
  directory: string,
  during: () => void,
): Promise<{ finish: () => Promise<unknown>; log: MemoryLog }> {
  const log = new MemoryLog({ maxBytes: 300_000 });
  for (const { topic, partitions } of app.streams) log.createTopic(topic, partitions, [11, 22, 33]);
  const writers = new WriterSchemas();
  const recorder = await LogRecorder.start(directory, log, app, parameters);
  const runtime = new EmbeddedRuntime({
    app,
    log,
    writers,
    clock: systemClock,
    parameters,
    commitIntervalMs: 5,
    tickIntervalMs: 10,
    onCommit: (core, commit) => {
      recorder.onCommit(core, commit);
    },
  });
  const edge = new EmbeddedEdge(log, writers, () => undefined);
  runtime.start();
  const shiftMs = Date.now() - 1_000_000 - 45_000;
  const events = storyEvents(12, 600);
  for (const [i, { topic, event, id }] of events.entries()) {
    const reading = event as Reading;
    await edge.publish(
      streams.get(topic)!,
      { ...reading, at: reading.at + shiftMs },
      id === undefined ? {} : { source: '/story', id },
    );
    if (i % 40 === 0) {
      recorder.poll();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (i === 300) during();
  }
  expect(await runtime.stop(30_000)).toBe(true);
  expect(runtime.errors).toEqual([]);
  return { log, finish: () => recorder.finish(writers, Date.now()) };
}

test('a recorded run in real time replays to the byte, with other batches and crashes too', async () => {
  const directory = join(parent, 'recording');
  const { finish, log } = await recordedRun(directory, () => undefined);
  await finish();
  expect(log.heldBytes).toBe(0);
  const recording = await openRecording(directory);
  const replayed = await replayRecording(recording, { app });
  expectIdentical(replayed);
  const outputs = replayed.flatMap((task) => task.outputs);
  expect(outputs.some(({ topic }) => topic === verdicts.topic)).toBe(true);
  expect(outputs.some(({ topic }) => topic === deadLetters.topic)).toBe(true);
  const varied = await replayRecording(recording, {
    app,
    ...replayVariation({ seed: 3, crashes: 20, maxBatch: 11 }),
  });
  expectIdentical(varied);
});

test('a recording whose directory goes away is told at the end, and the run is not held up', async () => {
  const directory = join(parent, 'recording');
  const { finish, log } = await recordedRun(directory, () => {
    // A file that is made meanwhile stands in its way.
    rmSync(directory, { recursive: true, maxRetries: 9 });
  });
  await expect(finish()).rejects.toThrow(directory);
  expect(log.heldBytes).toBe(0);
});
