import { describe, expect, test } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import {
  alarms,
  limits,
  readings,
  readingsApp,
  sums,
  sumState,
  summing,
  verdicts,
  type Reading,
} from '../task/readings.fixture.ts';
import type { OutputRecord } from '../task/task-io.ts';
import type { App } from '../topology/app.ts';
import { input, processor, urgent, type Parameters, type Processor } from '../topology/processor.ts';
import { contentOf } from './compare-outputs.ts';
import type { Recording } from './recording-reader.ts';
import { expectIdentical, outputChanges, replayRecording, type ReplayedTask } from './replay-recording.ts';
import { replayedApp, storyEvents } from './scenario.fixture.ts';
import { runScenario, withPartitions } from './scenario.ts';
import { replayVariation, seededRandom } from './variation.ts';

function story(
  app: App,
  seed: number,
  parameters: Readonly<Record<string, Parameters>> = {},
  stepMs = 1,
): Recording {
  const random = seededRandom(seed, 'commits');
  return runScenario({
    app,
    events: storyEvents(seed, 400, stepMs),
    runOnMs: 20_000,
    parameters,
    commitEvery: stepMs === 1 ? () => 1 + Math.floor(random() * 5) : () => 1,
  });
}

const outputsOf = (tasks: readonly ReplayedTask[], topic?: string): OutputRecord[] =>
  tasks.flatMap((task) => task.outputs).filter((output) => topic === undefined || output.topic === topic);

const contents = (outputs: readonly OutputRecord[]): string[] => outputs.map(contentOf).sort();

describe('a recording replays to the byte', () => {
  test.each([
    [1, 1],
    [2, 3],
    [3, 5],
  ])('story %i over %i partitions, with batches of any size and 20 crashes', async (seed, partitions) => {
    const app = withPartitions(replayedApp, partitions);
    const recording = story(app, seed);
    const plain = await replayRecording(recording, { app });
    expectIdentical(plain);
    for (const topic of [sums, alarms, verdicts].map((stream) => stream.topic).concat('weir.dead-letters')) {
      expect(outputsOf(plain, topic).length).toBeGreaterThan(3);
    }
    for (const maxBatch of [1, 40]) {
      const varied = await replayRecording(recording, {
        app,
        ...replayVariation({ seed: seed * 100 + maxBatch, crashes: 20, maxBatch }),
      });
      expectIdentical(varied);
      expect(varied.every((task) => task.crashes === 20)).toBe(true);
      expect(varied.map((task) => task.outputs)).toEqual(plain.map((task) => task.outputs));
    }
  });

  test.each([1, 3, 5])(
    'in-order data of one input gives the same for each key over %i partitions',
    async (partitions) => {
      const events = storyEvents(9, 300)
        .filter(({ topic, arrivesAtMs }) => topic === readings.topic && arrivesAtMs === undefined)
        .map(({ topic, event }) => ({ topic, event }));
      const one = {
        ...readingsApp,
        processors: [{ ...summing, inputs: { readings }, on: { readings: summing.on['readings']! } }],
      };
      const run = async (count: number): Promise<string[]> => {
        const app = withPartitions({ ...one, processors: one.processors.map(with60) }, count);
        const replayed = await replayRecording(runScenario({ app, events, runOnMs: 20_000 }), { app });
        expectIdentical(replayed);
        return contents(outputsOf(replayed).filter(({ topic }) => topic !== 'weir.dead-letters'));
      };
      const expected = await run(2);
      expect(expected.length).toBeGreaterThan(20);
      expect(await run(partitions)).toEqual(expected);
    },
  );

  test('what a replay gives other than was recorded is named by task, topic, key and place', async () => {
    const recording = story(replayedApp, 6);
    const replayed = await replayRecording(recording, {
      app: replayedApp,
      parameters: { 'test.summing': { alarmAt: 61 } },
    });
    expect(() => {
      expectIdentical(replayed);
    }).toThrow(/test\.summing-0: test\.alarms key thing-\d: output \d+ (is missing|differs|is new)/);
  });

  test('a processor that the recording does not have is named', async () => {
    const recording = story(replayedApp, 6);
    const other: Processor = { ...summing, name: 'test.other' };
    await expect(
      replayRecording(
        { ...recording, task: (name) => Promise.reject(new Error(`no task ${name}`)) },
        { app: { ...readingsApp, processors: [other] } },
      ),
    ).rejects.toThrow('no task test.other');
  });

  test('a recorded task that the app does not have is named: nothing is left out in silence', async () => {
    const recording = story(replayedApp, 6);
    await expect(replayRecording(recording, { app: { ...replayedApp, processors: [] } })).rejects.toThrow(
      /has task test\.\w+-0, which the app does not have/,
    );
  });

  test('inputs in another order than the journal numbers them are refused', async () => {
    const recording = story(replayedApp, 6);
    const turned = replayedApp.processors.map((processor) => ({
      ...processor,
      inputs: Object.fromEntries(Object.entries(processor.inputs).reverse()),
    }));
    await expect(replayRecording(recording, { app: { ...replayedApp, processors: turned } })).rejects.toThrow(
      /so its journal cannot be followed/,
    );
  });
});

function with60(of: Processor): Processor {
  return { ...of, parameters: { alarmAt: 60 } };
}

describe('what is not deterministic fails with an error that says so', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['the clock', () => Date.now(), /called Date\.now\(\): take times from `at`/],
    ['a date of now', () => new Date(), /called new Date\(\)/],
    ['randomness', () => Math.random(), /called Math\.random\(\)/],
    ['a timeout', () => setTimeout(() => undefined, 1), /called setTimeout\(\)/],
  ])('a processor that uses %s', (_, call, message) => {
    const impure = {
      ...summing,
      on: {
        ...summing.on,
        readings: () => {
          call();
          return undefined;
        },
      },
    };
    const events = [{ topic: readings.topic, event: { id: 'a', at: 1_000, n: 1 } }];
    const run = (): unknown => runScenario({ app: { ...readingsApp, processors: [impure] }, events });
    expect(run).toThrow(message);
    expect(run).toThrow("task test.summing-0: a handler threw at test.readings/0/0 (key 'a')");
    expect(Date.now()).toBeGreaterThan(0);
  });

  test('a processor that changes its event', () => {
    const mutating = {
      ...summing,
      on: {
        ...summing.on,
        readings: (_: unknown, event: unknown) => {
          (event as { n: number }).n = 0;
          return undefined;
        },
      },
    };
    const events = [{ topic: readings.topic, event: { id: 'a', at: 1_000, n: 1 } }];
    expect(() => runScenario({ app: { ...readingsApp, processors: [mutating] }, events })).toThrow(
      /test\.readings\/0\/0.*read only property 'n'/,
    );
  });
});

describe('what if', () => {
  // Times are multiples of the tick, so that a new output's place among the ticks is known.
  const stepMs = 100;

  test.each([
    ['raised', 60, 90],
    ['raised beyond all', 60, 100_000],
    ['lowered', 60, 30],
    ['set to the same', 60, 60],
  ])(
    'a threshold %s changes its processor and those behind it as a run with it would have',
    async (_, before, after) => {
      let changed = 0;
      for (const [seed, partitions] of [
        [1, 1],
        [2, 3],
      ] as const) {
        const app = withPartitions(replayedApp, partitions);
        const recording = story(app, seed, { 'test.summing': { alarmAt: before } }, stepMs);
        const parameters = { 'test.summing': { alarmAt: after } };
        const replayed = await replayRecording(recording, { app, parameters });
        const really = await replayRecording(story(app, seed, parameters, stepMs), { app });
        for (const topic of [sums, alarms, verdicts].map((stream) => stream.topic)) {
          expect(contents(outputsOf(replayed, topic))).toEqual(contents(outputsOf(really, topic)));
        }
        if (replayed.some((task) => task.difference !== undefined)) changed += 1;
        const varied = await replayRecording(recording, {
          app,
          parameters,
          ...replayVariation({ seed, crashes: 20, maxBatch: 9 }),
        });
        expect(varied.map((task) => task.outputs)).toEqual(replayed.map((task) => task.outputs));
      }
      expect(changed > 0).toBe(before !== after);
    },
  );

  test('where outputs only fall away, all that does not depend on them stays the same to the byte', async () => {
    const recording = story(replayedApp, 3, { 'test.summing': { alarmAt: 60 } }, stepMs);
    const base = await replayRecording(recording, { app: replayedApp });
    const raised = await replayRecording(recording, {
      app: replayedApp,
      parameters: { 'test.summing': { alarmAt: 75 } },
    });
    const removed = outputChanges(outputsOf(base, alarms.topic), outputsOf(raised, alarms.topic));
    expect(removed.added).toEqual([]);
    expect(removed.removed.length).toBeGreaterThan(0);
    const affected = new Set(removed.removed.map(({ key }) => String(key)));
    const untouched = (tasks: readonly ReplayedTask[]): OutputRecord[] =>
      outputsOf(tasks, verdicts.topic).filter(({ key }) => !affected.has(String(key)));
    expect(untouched(base).length).toBeGreaterThan(0);
    expect(untouched(raised)).toEqual(untouched(base));
  });

  test('a parameter of the last processor leaves those before it as they were', async () => {
    const recording = story(replayedApp, 3);
    const replayed = await replayRecording(recording, {
      app: replayedApp,
      parameters: { 'test.watching': { tolerated: 3 } },
    });
    const changed = replayed.filter((task) => task.difference !== undefined);
    expect(changed.map((task) => task.processor)).toEqual(['test.watching']);
  });

  test('a changed broadcast table reaches every task, whatever its number', async () => {
    const limiting = processor({
      name: 'test.limiting',
      inputs: { readings: input(readings, { idleAfterMs: 1_000 }) },
      outputs: { limits: urgent(limits) },
      state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
      parameters: { times: 10 },
      on: {
        readings: (_state, event, at) => ({
          emit:
            event.n === 9
              ? [{ to: 'limits', value: { id: at.key, at: event.at, n: 4 * at.parameters.times } }]
              : [],
        }),
      },
      late: 'drop',
    });
    const spread = withPartitions(readingsApp, 5);
    const two = withPartitions({ ...readingsApp, processors: [limiting] }, 5);
    // The table has fewer partitions than there are tasks.
    const app: App = {
      ...spread,
      streams: spread.streams.map((stream) => (stream.topic === limits.topic ? limits : stream)),
      processors: [
        { ...two.processors[0]!, outputs: { limits: urgent(limits) } },
        { ...spread.processors[0]!, tables: { limits } },
      ],
    };
    const events = storyEvents(4, 400, stepMs).filter(({ topic }) => topic !== limits.topic);
    const run = (times: number): Recording =>
      runScenario({ app, events, runOnMs: 20_000, parameters: { 'test.limiting': { times } } });
    const recording = run(10);
    const parameters = { 'test.limiting': { times: 20 } };
    const replayed = await replayRecording(recording, { app, parameters });
    const really = await replayRecording(run(20), { app });
    const codec = eventCodec<Reading>(limits, recording.writers);
    const rows = outputsOf(replayed, limits.topic).map(({ value }) => codec.decode(value!).n);
    expect(new Set(rows)).toEqual(new Set([80]));
    expect(replayed.some((task) => task.processor === 'test.summing' && task.difference !== undefined)).toBe(
      true,
    );
    expect(contents(outputsOf(replayed, alarms.topic))).toEqual(contents(outputsOf(really, alarms.topic)));
  });
});
