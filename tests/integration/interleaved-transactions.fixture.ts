/** Transactions of several producers into the same partitions, mixed at random by a seed. */
import { TestProducer, type Written } from './librdkafka.fixture.ts';

export interface Interleaved {
  /** The values of committed records, in hexadecimal, by partition, sorted. */
  readonly committed: readonly (readonly string[])[];
  readonly abortedRecords: number;
  /** How many transactions are left open. */
  readonly open: number;
  /** Abort what is open; resolves when that is in the log. */
  close(): Promise<void>;
}

/** mulberry32: numbers in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Four zero bytes are an ABORT marker's key; a record may have them as well. */
const keys: readonly (Buffer | null)[] = [
  null,
  Buffer.alloc(0),
  Buffer.from([0, 0, 0, 0]),
  Buffer.from([0, 0, 0, 1]),
  Buffer.from('key'),
];

interface Actor {
  readonly producer: TestProducer;
  /** Undefined without transactions. */
  readonly transactionalId: string | undefined;
  /** Written in the transaction that is open. */
  pending: Written[] | undefined;
}

const transactionalProducers = 3;

/** Write to the partitions of a topic, and leave some transactions open: all others are decided in the log when it resolves. */
export async function writeInterleaved(
  bootstrapServers: string,
  topic: string,
  options: { readonly seed: number; readonly partitions: number; readonly steps: number },
): Promise<Interleaved> {
  const random = randomOf(options.seed);
  const below = (n: number): number => Math.floor(random() * n);
  const actors: Actor[] = await Promise.all(
    Array.from({ length: transactionalProducers + 1 }, async (_, i): Promise<Actor> => {
      const transactionalId = i < transactionalProducers ? `${topic}-${i}` : undefined;
      const settings =
        transactionalId === undefined
          ? { 'enable.idempotence': true }
          : { 'transactional.id': transactionalId };
      const producer = await TestProducer.connect(bootstrapServers, settings);
      return { producer, transactionalId, pending: undefined };
    }),
  );
  const decided: Written[] = [];
  let abortedRecords = 0;
  let written = 0;
  const records = (): Written[] =>
    Array.from({ length: 1 + below(4) }, (): Written => {
      const value = below(12) === 0 ? null : Buffer.from(`${written++}`.padStart(6, '0'));
      return { topic, partition: below(options.partitions), key: keys[below(keys.length)]!, value };
    });
  for (let step = 0; step < options.steps; step++) {
    const actor = actors[below(actors.length)]!;
    if (actor.transactionalId !== undefined && actor.pending === undefined) {
      await actor.producer.begin();
      actor.pending = [];
    }
    const batch = records();
    await actor.producer.write(batch);
    if (actor.pending === undefined) {
      decided.push(...batch);
      continue;
    }
    actor.pending.push(...batch);
    const fate = random();
    if (fate < 0.25) {
      await actor.producer.commit();
      decided.push(...actor.pending);
      actor.pending = undefined;
    } else if (fate < 0.5) {
      await actor.producer.abort();
      abortedRecords += actor.pending.length;
      actor.pending = undefined;
    }
  }
  const end = async ({ producer, transactionalId }: Actor): Promise<void> => {
    await producer.close();
    if (transactionalId !== undefined) await TestProducer.untilDecided(bootstrapServers, transactionalId);
  };
  const open = actors.filter(({ pending }) => pending !== undefined);
  await Promise.all(actors.filter((actor) => !open.includes(actor)).map(end));
  const valuesOf = (partition: number): string[] =>
    decided
      .filter((record) => record.partition === partition && record.value !== null)
      .map((record) => record.value!.toString('hex'))
      .sort();
  return {
    committed: Array.from({ length: options.partitions }, (_, partition) => valuesOf(partition)),
    abortedRecords,
    open: open.length,
    async close() {
      for (const actor of open) {
        await actor.producer.abort();
        await end(actor);
      }
    },
  };
}
