/**
 * One measured run of a contender under an even load: the time from handing an event to its producer until a read_committed
 * consumer has the command that answers it. Producer, consumer and clock are the harness's, the same for all contenders.
 */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, commandStream } from '../alarms.ts';
import { readingStream } from '../windowed-sum.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { Contender, type Program } from './contender.ts';
import { ReadingsWriter } from './readings-writer.ts';

export interface LatencyEntrant {
  readonly name: string;
  program(run: { readonly app: string; readonly input: string; readonly output: string }): Program;
}

export interface LatencyLoad {
  readonly partitions: number;
  readonly eventsPerSecond: number;
  /** Of so many events one is answered by a command, at random. */
  readonly oneAnsweredOf: number;
  /** Events of the warm-up are not measured. */
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const startTimeoutMs = 60_000;
const answerTimeoutMs = 10_000;
const sensors = 1_000;
/** A fetch waits so long at the broker when there is nothing new; the same for all contenders. */
const consumerMaxWaitMs = 10;

/** @returns the latencies, ms, in the order in which events were sent. @throws Error when a command is missing or comes twice */
export async function runLatency(
  cluster: BenchCluster,
  entrant: LatencyEntrant,
  app: string,
  load: LatencyLoad,
): Promise<readonly number[]> {
  const input = readingStream(load.partitions, `${app}.readings`);
  const output = commandStream(load.partitions, `${app}.commands`);
  const writer = await ReadingsWriter.open(cluster, input, 0);
  await cluster.createTopics(output);
  const arrivals = new Map<number, number>();
  const reader = await followCommands(cluster, output, arrivals);
  const contender = Contender.start(entrant.program({ app, input: input.topic, output: output.topic }));
  try {
    await contender.waitFor('ready', startTimeoutMs);
    await produceFor(writer, load, load.warmUpMs, 1);
    const sent = await produceFor(writer, load, load.measureMs, 1_000_000_000);
    const giveUpAtMs = performance.now() + answerTimeoutMs;
    while (![...sent.keys()].every((id) => arrivals.has(id)) && performance.now() < giveUpAtMs)
      await sleep(20);
    contender.check();
    return [...sent].map(([id, sentMs]) => {
      const arrivedMs = arrivals.get(id);
      if (arrivedMs === undefined) throw new Error(`${entrant.name}: event ${id} was not answered`);
      return arrivedMs - sentMs;
    });
  } finally {
    await contender.stop();
    await reader.close();
    await writer.close();
    await cluster.deleteTopics(app);
  }
}

/** Notes when each command is there. */
async function followCommands(
  cluster: BenchCluster,
  output: Stream<Command>,
  arrivals: Map<number, number>,
): Promise<KafkaReader> {
  const codec = eventCodec(output, new WriterSchemas());
  const reader = await KafkaReader.connect({
    kafka: { brokers: [cluster.bootstrapServers] },
    maxWaitMs: consumerMaxWaitMs,
    onProgress: (partition) => {
      const nowMs = performance.now();
      for (const { value } of partition.take(Infinity)) {
        const id = -codec.decode(value!).value;
        if (arrivals.has(id)) throw new Error(`${output.topic}: event ${id} was answered twice`);
        arrivals.set(id, nowMs);
      }
    },
  });
  for (let partition = 0; partition < output.partitions; partition += 1)
    await reader.assign(output.topic, partition, 0);
  return reader;
}

/** @returns when each event that is to be answered was sent, by its id, from `firstId` on */
async function produceFor(
  writer: ReadingsWriter,
  load: LatencyLoad,
  durationMs: number,
  firstId: number,
): Promise<Map<number, number>> {
  const sent = new Map<number, number>();
  const startMs = performance.now();
  const all = Math.floor((durationMs / 1000) * load.eventsPerSecond);
  for (let n = 0; n < all;) {
    const due = Math.min(all, ((performance.now() - startMs) / 1000) * load.eventsPerSecond);
    for (; n < due; n += 1) {
      const isAnswered = Math.random() * load.oneAnsweredOf < 1;
      const sensor = `sensor-${n % sensors}`;
      if (isAnswered) sent.set(firstId + n, performance.now());
      writer.write({ sensor, at: Date.now(), value: isAnswered ? -(firstId + n) : n });
    }
    await sleep(1);
  }
  return sent;
}
