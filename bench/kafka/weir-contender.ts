/**
 * Weir as a contender: `weir-contender.js <windowed-sum|alarms> --name=value ...` runs a topology on Kafka until SIGTERM.
 * Prints what bench/kafka-streams prints: `ready`, `first-record` of each partition, `stopped` and `closed`.
 */
import { parseArgs } from 'node:util';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { App } from '#engine/topology/app.ts';
import type { Processor } from '#engine/topology/processor.ts';
import { alarms, commandStream } from '../alarms.ts';
import { peakMegabytes } from '../measure.ts';
import { readingStream, sumStream, windowedSum } from '../windowed-sum.ts';

const stopTimeoutMs = 20_000;
const pollMs = 20;

const required = { type: 'string', default: '' } as const;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    bootstrap: required,
    app: required,
    input: required,
    output: required,
    partitions: { type: 'string', default: '4' },
    'commit-ms': { type: 'string', default: '100' },
    'window-ms': { type: 'string', default: '10000' },
    'fetch-wait-ms': { type: 'string', default: '100' },
    'state-dir': { type: 'string' },
  },
});

function say(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, atMs: Date.now(), ...fields })}\n`);
}

/** The processor, telling of the first record of each partition as its handler is called with it. */
function announced(of: Processor): Processor {
  const seen = new Set<number>();
  const on = Object.entries(of.on).map(([input, handle]): [string, typeof handle] => [
    input,
    (state, event, at) => {
      if (!seen.has(at.partition)) {
        seen.add(at.partition);
        say('first-record', { partition: at.partition });
      }
      return handle(state, event, at);
    },
  ]);
  return { ...of, on: Object.fromEntries(on) };
}

function appOf(topology = 'none'): App {
  const partitions = Number(values.partitions);
  const readings = readingStream(partitions, values.input);
  const common = { name: values.app };
  switch (topology) {
    case 'windowed-sum': {
      const sums = sumStream(partitions, values.output);
      const processors = [announced(windowedSum(readings, sums, Number(values['window-ms'])))];
      return { ...common, streams: [readings, sums, deadLetters, schemas], processors };
    }
    case 'alarms': {
      const commands = commandStream(partitions, values.output);
      const processors = [announced(alarms(readings, commands))];
      return { ...common, streams: [readings, commands, deadLetters, schemas], processors };
    }
    default:
      throw new Error(`unknown topology ${topology}`);
  }
}

function fail(task: string, error: unknown): void {
  process.stderr.write(
    `${task}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

const app = appOf(positionals[0]);
const connection = { brokers: values.bootstrap.split(',') };
await ensureTopics(connection, plannedTopics(app));
const runtime = await KafkaRuntime.start({
  app,
  connection,
  writers: new WriterSchemas(),
  commitIntervalMs: Number(values['commit-ms']),
  fetchWaitMs: Number(values['fetch-wait-ms']),
  ...(values['state-dir'] === undefined ? {} : { stateDir: values['state-dir'] }),
  onTaskError: (task, error) => {
    fail(task, error);
    process.exit(1);
  },
  onTrouble: fail,
});
const ready = setInterval(() => {
  const tasks = runtime.status();
  if (tasks.length === 0 || !runtime.isReady) return;
  clearInterval(ready);
  say('ready', { restored: tasks.reduce((sum, { restored }) => sum + restored, 0) });
}, pollMs);

async function stop(): Promise<void> {
  clearInterval(ready);
  say('stopped', { inTime: await runtime.stop(stopTimeoutMs) });
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  say('closed', {
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    peakMegabytes: peakMegabytes(process.pid),
  });
  process.exit(0);
}

process.once('SIGTERM', () => {
  stop().catch((error: unknown) => {
    fail('stop', error);
    process.exit(1);
  });
});
