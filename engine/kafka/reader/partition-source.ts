/**
 * A partition as the sink reads it (`PartitionSource`): by offsets that it names, with its group's commits.
 *
 * I1  `read` gives nothing only at the end: after going to another offset it waits for the broker's answer.
 * I2  That end is never before one that `endOffset` has told: a leader that was just elected may not know for a moment how
 *     far its predecessor had come (KIP-207), and a reader that believed it would take records for gone.
 * I3  What was given last can be given again, in whole or in part, without asking the broker.
 */
import { systemClock } from '../../log/clock.ts';
import type { Committed, LogRecord, PartitionSource } from '../../log/log.ts';
import type { GroupMember } from './group-member.ts';
import type { KafkaReader } from './kafka-reader.ts';
import type { PartitionReader } from './partition-reader.ts';

/** How soon, and how long, an end that lies too far back is looked at again; then records were lost, and the end is believed. */
const endPollMs = 50;
const endWaitMs = 10_000;

export interface KafkaPartitionSource extends PartitionSource {
  /** The offset of the next record at or after `offset`, as far as that is known: past control and aborted records. */
  nextOffset(offset: number): number;
  /** Reads no more. */
  close(): void;
}

/**
 * Read a partition that is assigned to `member`, from the group's position; from the first record that is kept where it has
 * none. `signal` ends waiting reads, which then give nothing.
 *
 * @throws EngineError `kafka-unreachable`, `kafka-refused`, `unknown-topic`
 */
export async function kafkaPartitionSource(
  reader: KafkaReader,
  member: Pick<GroupMember, 'committed' | 'commit'>,
  place: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<KafkaPartitionSource> {
  const { topic, partition } = place;
  const committed = await member.committed(topic, partition);
  const start = committed?.offset ?? (await reader.offsetOf(topic, partition, 'start'));
  return new Source(reader, member, await reader.assign(topic, partition, start), start, signal);
}

class Source implements KafkaPartitionSource {
  readonly #reader: KafkaReader;
  readonly #member: Pick<GroupMember, 'committed' | 'commit'>;
  readonly #partition: PartitionReader;
  readonly #signal: AbortSignal;
  /** What was given last: all records in [`#from`, `#given`). */
  #last: readonly LogRecord[] = [];
  #from: number;
  /** After the last record given: from here to the position there are none, so no offset in between is a seek. */
  #given: number;
  /** The largest end that was told. */
  #end = 0;

  constructor(
    reader: KafkaReader,
    member: Pick<GroupMember, 'committed' | 'commit'>,
    partition: PartitionReader,
    start: number,
    signal: AbortSignal,
  ) {
    this.#reader = reader;
    this.#member = member;
    this.#partition = partition;
    this.#from = this.#given = start;
    this.#signal = signal;
  }

  get topic(): string {
    return this.#partition.topic;
  }

  get partition(): number {
    return this.#partition.partition;
  }

  committed(): Promise<Committed | undefined> {
    return this.#member.committed(this.topic, this.partition);
  }

  commit(offset: number, metadata: string): Promise<void> {
    return this.#member.commit(this.topic, this.partition, offset, metadata);
  }

  async read(offset: number, maxRecords: number): Promise<readonly LogRecord[]> {
    if (!this.#hasGiven(offset)) {
      this.#goTo(offset);
      await this.#settled();
    }
    const again = this.#last.filter((record) => record.offset >= offset).slice(0, maxRecords);
    const isMoreHere = again.length === 0 || this.#partition.available > 0;
    const more = isMoreHere ? this.#partition.take(maxRecords - again.length) : [];
    const records = again.length === 0 ? more : [...again, ...more];
    if (more.length > 0) {
      this.#last = records;
      this.#from = offset;
      this.#given = more.at(-1)!.offset + 1;
    }
    return records;
  }

  async endOffset(): Promise<number> {
    const end = await this.#reader.offsetOf(this.topic, this.partition, 'end');
    this.#end = Math.max(this.#end, end);
    return end;
  }

  async waitForData(offset: number, signal: AbortSignal): Promise<void> {
    if (this.#hasGiven(offset)) return;
    this.#goTo(offset);
    await this.#partition.waitForProgress(offset, signal);
  }

  nextOffset(offset: number): number {
    return this.#isNext(offset) ? this.#partition.position : offset;
  }

  close(): void {
    this.#reader.unassign(this.#partition);
    this.#last = [];
  }

  #hasGiven(offset: number): boolean {
    return offset >= this.#from && offset < this.#given;
  }

  #isNext(offset: number): boolean {
    return offset >= this.#given && offset <= this.#partition.position;
  }

  #goTo(offset: number): void {
    if (this.#isNext(offset)) return;
    this.#partition.seek(offset);
    this.#last = [];
    this.#from = this.#given = offset;
  }

  async #settled(): Promise<void> {
    const partition = this.#partition;
    const giveUpAtMs = performance.now() + endWaitMs;
    for (;;) {
      await partition.settled(this.#signal);
      const isBehind = partition.available === 0 && partition.isAtEnd && partition.position < this.#end;
      if (!isBehind || this.#signal.aborted) return;
      // Throws what the partition failed with, if it did.
      partition.take(0);
      if (performance.now() > giveUpAtMs) this.#end = partition.position;
      else await systemClock.sleep(endPollMs, this.#signal);
    }
  }
}
