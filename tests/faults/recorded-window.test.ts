/** A window of a live run, recorded while a worker is killed, replays byte for byte. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { recordWindow } from '#engine/kafka/recorder/record-window.ts';
import { openRecording } from '#engine/replay/recording-reader.ts';
import { expectIdentical, replayRecording } from '#engine/replay/replay-recording.ts';
import { replayVariation } from '#engine/replay/variation.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { connectionTo, foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

const allTasks = 8;
/** Come through both stages in the window. */
const leastItems = 1_000;
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });
let workers: Workers | undefined;
let directory: string | undefined;

afterEach(async () => {
  await workers?.killAll();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** Resolves when these workers have all tasks and each task has committed something more. */
async function untilAllCommitted(all: readonly Worker[]): Promise<void> {
  const tasks = (): Map<string, number> =>
    new Map(all.flatMap((worker) => worker.tasks.map(({ task, commits }) => [task, commits] as const)));
  const before = tasks();
  // The count of a task that another worker has taken over begins anew.
  const hasMore = ([task, commits]: readonly [string, number]): boolean =>
    commits > 0 && commits !== before.get(task);
  const isSo = (): boolean => {
    const now = [...tasks()];
    return now.length === allTasks && now.every(hasMore);
  };
  await Promise.any(all.map((worker) => worker.until(isSo, 'is to commit')));
}

it('of three workers, one of which is killed in it, replays to the same bytes', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'window');
  const { app } = folding;
  const { bootstrapServers } = kafka;
  directory = await mkdtemp(join(tmpdir(), 'weir-window-'));
  workers = new Workers({ bootstrapServers, app: 'window', partitions: 4, sessionTimeoutMs: 1_500 });
  const all = [workers.start(), workers.start(), workers.start()];
  await Promise.all(all.map((worker) => worker.ready()));
  const load = await ItemLoad.start({ kafka, folding, perSecond: 500 });
  await sleep(3_000);
  await untilAllCommitted(all);

  const over = new AbortController();
  let isRecording: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (isRecording = resolve));
  const recorded = recordWindow({
    app,
    connection: connectionTo(kafka),
    directory,
    writers: new WriterSchemas(),
    from: 'now',
    until: over.signal,
    onProgress: ({ phase, chunks }) => {
      if (phase === 'recording' && chunks > 0) isRecording();
    },
  });
  await Promise.race([begun, recorded]);
  const sentBefore = load.sent;
  await sleep(1_000);
  const victim = all[1]!;
  await victim.ready();
  const had = new Set(victim.tasks.map(({ task }) => task));
  expect(had.size).toBeGreaterThan(0);
  await victim.kill();
  const others = workers.running;
  const isTakenOver = (): boolean => others.reduce((sum, { tasks }) => sum + tasks.length, 0) === allTasks;
  await Promise.any(
    others.map((worker) => worker.until(() => isTakenOver() && worker.isReady, 'is to take over')),
  );
  await untilAllCommitted(others);
  await sleep(3_000);
  while (load.sent < sentBefore + leastItems) await sleep(100);
  await untilFolded(kafka, folding, load.sent);
  over.abort();
  const manifest = await recorded;

  const recording = await openRecording(directory);
  const tasks = await replayRecording(recording, { app });
  expectIdentical(tasks);
  for (const { task, outputs } of tasks) expect(outputs.length, `outputs of ${task}`).toBeGreaterThan(0);
  expect(new Set(tasks.filter(({ task }) => had.has(task)).map(({ task }) => task))).toEqual(had);
  // The window has two edges: states to begin with, and outputs on the topics that are not of its chunks.
  for (const { state } of manifest.tasks) expect(state.records).toBeGreaterThan(0);
  const crashed = await replayRecording(recording, {
    app,
    ...replayVariation({ seed: 1, crashes: 9, maxBatch: 50 }),
  });
  expectIdentical(crashed);

  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  await proveExactlyOnce({ kafka, folding, acknowledged });
  const inWindow = tasks.reduce((sum, { outputs }) => sum + outputs.length, 0);
  expect(inWindow).toBeGreaterThan(leastItems);
  expect(inWindow).toBeLessThan(2 * acknowledged.size);
});
