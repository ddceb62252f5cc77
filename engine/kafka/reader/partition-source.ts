/**
 * A partition as the sink reads it (`PartitionSource`): by offsets that it names, with its group's commits.
 *
 * I1  `read` gives nothing only at the end: after going to another offset it waits for the broker's answer.
 */
import type { Committed, LogRecord, PartitionSource } from '../../log/log.ts';
import type { GroupMember } from './group-member.ts';
import type { KafkaReader } from './kafka-reader.ts';
import type { PartitionReader } from './partition-reader.ts';

/** Read a partition that is assigned to `member`. `signal` ends waiting reads, which then give nothing. */
export async function kafkaPartitionSource(
  reader: KafkaReader,
  member: Pick<GroupMember, 'committed' | 'commit'>,
  place: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<PartitionSource> {
  const { topic, partition } = place;
  const committed = await member.committed(topic, partition);
  const start = committed?.offset ?? (await reader.offsetOf(topic, partition, 'start'));
  return new KafkaPartitionSource(
    reader,
    member,
    await reader.assign(topic, partition, start),
    start,
    signal,
  );
}

class KafkaPartitionSource implements PartitionSource {
  readonly #reader: KafkaReader;
  readonly #member: Pick<GroupMember, 'committed' | 'commit'>;
  readonly #partition: PartitionReader;
  readonly #signal: AbortSignal;
  /** After the last record given: from here to the position there are none, so no offset in between is a seek. */
  #given: number;

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
    this.#given = start;
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
    this.#goTo(offset);
    await this.#partition.settled(this.#signal);
    const records = this.#partition.take(maxRecords);
    const last = records.at(-1);
    if (last !== undefined) this.#given = last.offset + 1;
    return records;
  }

  endOffset(): Promise<number> {
    return this.#reader.offsetOf(this.topic, this.partition, 'end');
  }

  waitForData(offset: number, signal: AbortSignal): Promise<void> {
    this.#goTo(offset);
    return this.#partition.waitForData(signal);
  }

  #goTo(offset: number): void {
    if (offset >= this.#given && offset <= this.#partition.position) return;
    this.#partition.seek(offset);
    this.#given = offset;
  }
}
