/**
 * A contender with a million keys of state, restarted: the time from starting its process to its first processed record, and
 * until it has processed one of each partition, when all of its tasks are back.
 */
import { rm } from 'node:fs/promises';
import type { BenchCluster } from './bench-cluster.ts';
import { Contender, type Program } from './contender.ts';
import type { ReadingsWriter } from './readings-writer.ts';

export interface RestoreEntrant {
  readonly name: string;
  /** Names its group; its topics begin with it. */
  readonly app: string;
  /** The group whose offsets it commits. */
  readonly group: string;
  /** What it keeps on this machine. */
  readonly stateDir: string;
  readonly program: Program;
}

/** Milliseconds since the process was started. */
export interface Restart {
  readonly firstMs: number;
  readonly allMs: number;
  readonly peakMegabytes: number;
}

const seedTimeoutMs = 180_000;
const restartTimeoutMs = 120_000;

/** Runs it from the start of the input to its end, and stops it in order. @returns seconds */
export async function seed(
  cluster: BenchCluster,
  entrant: RestoreEntrant,
  topic: string,
  writer: ReadingsWriter,
): Promise<number> {
  const contender = Contender.start(entrant.program);
  try {
    const doneAtMs = await finish(cluster, entrant, topic, writer, contender, seedTimeoutMs);
    return (doneAtMs - contender.startedAtMs) / 1000;
  } finally {
    await stopInOrder(contender);
  }
}

/** Writes a few readings of known sensors, and starts it again, with what it has on this machine or without. */
export async function restart(
  cluster: BenchCluster,
  entrant: RestoreEntrant,
  topic: string,
  writer: ReadingsWriter,
  keep: 'checkpoint' | 'nothing',
): Promise<Restart> {
  if (keep === 'nothing') await rm(entrant.stateDir, { recursive: true, force: true });
  for (let n = 0; n < readingsOfRestart; n += 1)
    writer.write({ sensor: `sensor-${n}`, at: Date.now(), value: n });
  await writer.flush();
  const contender = Contender.start(entrant.program);
  try {
    const firsts = await Promise.all(
      writer.ends.map((_, partition) =>
        contender.waitFor('first-record', restartTimeoutMs, (event) => event['partition'] === partition),
      ),
    );
    const times = firsts.map(({ atMs }) => atMs - contender.startedAtMs);
    await finish(cluster, entrant, topic, writer, contender, restartTimeoutMs);
    const { peakMegabytes } = contender.usage();
    return { firstMs: Math.min(...times), allMs: Math.max(...times), peakMegabytes };
  } finally {
    await stopInOrder(contender);
  }
}

/** Enough that each partition has some. */
const readingsOfRestart = 1_000;

function finish(
  cluster: BenchCluster,
  entrant: RestoreEntrant,
  topic: string,
  writer: ReadingsWriter,
  contender: Contender,
  timeoutMs: number,
): Promise<number> {
  return cluster.committed(entrant.group, topic, writer.ends, {
    timeoutMs,
    check: () => {
      contender.check();
    },
  });
}

/** A checkpoint is only as good as the stop that wrote it. */
async function stopInOrder(contender: Contender): Promise<void> {
  if (!(await contender.stop())) throw new Error(`${contender.program.name} did not stop in time`);
}
