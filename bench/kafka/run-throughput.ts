/**
 * One measured run of a contender over the input.
 *
 * Measured alike for all: from the contender's first record (its own clock, as its code is first called with one) until the
 * harness sees its group's offsets committed at the end of the input, which is when its last outputs are committed, for they
 * are one transaction. The start of the JVM or of Node, and joining the group, are not in it; they are shown apart.
 */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { sumStream } from '../windowed-sum.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { Contender, type Program } from './contender.ts';
import type { ReadingsInput } from './readings-input.ts';

/** A contender for the throughput benchmark. */
export interface Entrant {
  readonly name: string;
  /** Whether a window's result comes once, or again with each update. */
  readonly results: 'final' | 'updates';
  program(run: { readonly app: string; readonly output: string }): Program;
  /** The group whose offsets the contender commits. */
  group(app: string): string;
}

export interface Run {
  readonly recordsPerSecond: number;
  readonly seconds: number;
  /** Of the contender, from its first record to its last commit. */
  readonly cpuSeconds: number;
  /** Of the contender, from its start to its last commit. */
  readonly cpuSecondsWithStart: number;
  readonly brokerCpuSeconds: number;
  readonly peakMegabytes: number;
  /** From starting the process to its first record. */
  readonly startSeconds: number;
  readonly outputs: number;
}

const startTimeoutMs = 60_000;
const runTimeoutMs = 120_000;

/** @throws Error when it does not finish, or its results are not the input's sums */
export async function runThroughput(
  cluster: BenchCluster,
  input: ReadingsInput,
  entrant: Entrant,
  app: string,
): Promise<Run> {
  const output = `${app}.sums`;
  await cluster.createTopics(sumStream(input.partitions, output));
  await cluster.rest();
  const contender = Contender.start(entrant.program({ app, output }));
  try {
    const first = await contender.waitFor('first-record', startTimeoutMs);
    const cpuBefore = contender.usage().cpuSeconds;
    const brokerBefore = cluster.brokerUsage().cpuSeconds;
    const doneAtMs = await cluster.committed(entrant.group(app), input.topic, input.ends, {
      timeoutMs: runTimeoutMs,
      check: () => {
        contender.check();
      },
    });
    const usage = contender.usage();
    const brokerCpuSeconds = cluster.brokerUsage().cpuSeconds - brokerBefore;
    await contender.stop();
    const outputs = await checkSums(cluster, input, output, entrant);
    const seconds = (doneAtMs - first.atMs) / 1000;
    return {
      recordsPerSecond: Math.round(input.records / seconds),
      seconds,
      cpuSeconds: usage.cpuSeconds - cpuBefore,
      cpuSecondsWithStart: usage.cpuSeconds,
      brokerCpuSeconds,
      peakMegabytes: usage.peakMegabytes,
      startSeconds: (first.atMs - contender.startedAtMs) / 1000,
      outputs,
    };
  } finally {
    await contender.kill();
    await cluster.deleteTopics(app);
  }
}

/** Compares the last result of each window with the input's sums. @returns how many results there were */
async function checkSums(
  cluster: BenchCluster,
  input: ReadingsInput,
  output: string,
  entrant: Entrant,
): Promise<number> {
  const codec = eventCodec(sumStream(input.partitions), new WriterSchemas());
  const found = new Map<string, number>();
  let outputs = 0;
  await cluster.readAll(output, input.partitions, ({ value }) => {
    const sum = codec.decode(value!);
    if (sum.sensor.startsWith('closer-')) return;
    const window = `${sum.sensor}@${sum.window_start}`;
    if (entrant.results === 'final' && found.has(window))
      throw new Error(`${entrant.name}: ${window} was given twice`);
    found.set(window, sum.total);
    outputs += 1;
  });
  for (const [window, total] of input.sums)
    if (found.get(window) !== total)
      throw new Error(`${entrant.name}: ${window} is ${found.get(window) ?? 'missing'}, not ${total}`);
  if (found.size !== input.sums.size)
    throw new Error(`${entrant.name}: ${found.size} windows where the input has ${input.sums.size}`);
  return outputs;
}
