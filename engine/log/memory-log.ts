/**
 * Topics in this process's memory, for embedded runs and tests, with Kafka's partitioning, offsets and group positions.
 *
 * I1  Offsets of a partition are dense from its first one. A write is visible whole or not at all.
 * I2  A record is kept until every group that reads its topic has committed past it, and no longer. A topic that no group
 *     reads keeps nothing.
 * I3  `write` (agents, clients) waits while the log holds more than `maxBytes`; `append` (a task's commit) never waits,
 *     for the task that waited could be the reader whose records fill the log. Drivers hold tasks back instead while
 *     `isOverfull`: since producers stop at `maxBytes`, what lies above it are mostly outputs of tasks.
 */
import { EngineError } from '../engine-error.ts';
import type { Committed, LogRecord, LogWriter, NewRecord, PartitionSource } from './log.ts';
import { partitionOf } from './murmur2.ts';

interface Partition {
  /** Offset of records[head]. */
  firstOffset: number;
  /** Where groups begin to read: after what an earlier run left for one group only. */
  liveFrom: number;
  head: number;
  records: LogRecord[];
  /** Groups that have not abandoned it. Without any nothing is held. */
  readers: number;
  waiters: Set<() => void>;
}

interface Topic {
  readonly partitions: readonly Partition[];
  readonly groups: Map<string, Committed[]>;
  next: number;
}

/** The position of a group that gave up its place in a partition. */
const abandoned = Infinity;

/** Bytes that a record takes besides key and value: objects and headers, measured at about this. */
const recordOverheadBytes = 400;

export interface MemoryLogOptions {
  /** Producers wait while more than this is held. Default 64 MiB. */
  readonly maxBytes?: number;
}

export class MemoryLog implements LogWriter {
  readonly #topics = new Map<string, Topic>();
  readonly #maxBytes: number;
  #onFull: (() => void) | undefined;
  readonly #roomWaiters = new Set<() => void>();
  readonly #listeners = new Set<(topic: string, partition: number) => void>();
  #bytes = 0;
  #closed = false;

  constructor(options: MemoryLogOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 64 * 1024 * 1024;
  }

  /** Makes a topic; `firstOffsets` continue the offsets of an earlier run. Making one again with the same partitions is no error. */
  createTopic(topic: string, partitions: number, firstOffsets: readonly number[] = []): void {
    const existing = this.#topics.get(topic);
    if (existing !== undefined) {
      if (existing.partitions.length === partitions) return;
      throw new EngineError(
        'unknown-topic',
        `topic '${topic}' has ${existing.partitions.length} partitions, not ${partitions}`,
      );
    }
    const made = Array.from({ length: partitions }, (_, i) => ({
      firstOffset: firstOffsets[i] ?? 0,
      liveFrom: firstOffsets[i] ?? 0,
      head: 0,
      records: [],
      readers: 0,
      waiters: new Set<() => void>(),
    }));
    this.#topics.set(topic, { partitions: made, groups: new Map(), next: 0 });
  }

  partitionCount(topic: string): number {
    return this.#topic(topic).partitions.length;
  }

  get topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get isOverfull(): boolean {
    return this.#bytes > 2 * this.#maxBytes;
  }

  /** Calls back after each append, synchronously; must not throw. Returns how to stop. */
  onAppend(listener: (topic: string, partition: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back when a producer has to wait: a reader that gathers batches had better deliver what it has. One listener. */
  onFull(listener: () => void): void {
    this.#onFull = listener;
  }

  /** Registers a group as a reader of a topic, from its present end of what is held (its first offset held). */
  subscribe(group: string, topic: string): void {
    const found = this.#topic(topic);
    if (found.groups.has(group)) return;
    for (const partition of found.partitions) partition.readers += 1;
    found.groups.set(
      group,
      found.partitions.map((partition) => ({
        offset: Math.max(partition.firstOffset, partition.liveFrom),
        metadata: '',
      })),
    );
  }

  unsubscribe(group: string, topic: string): void {
    const found = this.#topic(topic);
    const positions = found.groups.get(group);
    if (positions === undefined) return;
    found.groups.delete(group);
    found.partitions.forEach((partition, i) => {
      if (positions[i]!.offset !== abandoned) partition.readers -= 1;
      this.#release(found, i);
    });
  }

  /**
   * Puts back what an earlier run left undelivered to one group, before any other group reads and anything is written.
   * Other groups begin behind it; new records get the offsets after it.
   */
  restore(
    group: string,
    topic: string,
    partition: number,
    committed: Committed,
    records: readonly LogRecord[],
  ): void {
    const found = this.#partition(topic, partition);
    if (found.records.length > 0)
      throw new EngineError('out-of-order', `${topic}/${partition}: there are records already`);
    found.firstOffset = records[0]?.offset ?? committed.offset;
    found.records.push(...records);
    for (const { key, value } of records) this.#bytes += bytesOf(key, value);
    found.liveFrom = found.firstOffset + records.length;
    this.subscribe(group, topic);
    this.commit(group, topic, partition, committed.offset, committed.metadata);
  }

  /** Gives up a group's place in one partition for good: it holds back nothing there any more. */
  abandon(group: string, topic: string, partition: number): void {
    const found = this.#topic(topic);
    const positions = found.groups.get(group);
    if (positions === undefined || positions[partition]?.offset === abandoned) return;
    this.#partition(topic, partition).readers -= 1;
    positions[partition] = { offset: abandoned, metadata: '' };
    this.#release(found, partition);
  }

  async write(records: readonly NewRecord[]): Promise<void> {
    while (this.#bytes > this.#maxBytes && !this.#closed) {
      if (this.#roomWaiters.size === 0) this.#onFull?.();
      await new Promise<void>((resolve) => this.#roomWaiters.add(resolve));
    }
    this.append(records);
  }

  /** Appends at once, whatever the log holds. */
  append(records: readonly NewRecord[]): void {
    if (this.#closed)
      throw new EngineError('log-closed', 'the log is closed: nothing can be written any more');
    const placed = records.map((record) => this.#place(record));
    for (let i = 0; i < records.length; i += 1)
      this.#push(records[i]!, placed[i]!.topic, placed[i]!.partition);
    for (let i = 0; i < records.length; i += 1)
      this.#notify(records[i]!.topic, placed[i]!.topic, placed[i]!.partition);
  }

  /** Up to `maxRecords` records from `offset` on. Records that were freed already are an error: reading never skips. */
  read(topic: string, partition: number, offset: number, maxRecords: number): readonly LogRecord[] {
    const found = this.#partition(topic, partition);
    if (offset < found.firstOffset) {
      throw new EngineError(
        'unknown-topic',
        `${topic}/${partition}: offset ${offset} is freed; the first held is ${found.firstOffset}`,
      );
    }
    const from = found.head + (offset - found.firstOffset);
    return found.records.slice(from, from + maxRecords);
  }

  endOffset(topic: string, partition: number): number {
    const found = this.#partition(topic, partition);
    return found.firstOffset + found.records.length - found.head;
  }

  committed(group: string, topic: string, partition: number): Committed | undefined {
    return this.#topic(topic).groups.get(group)?.[partition];
  }

  commit(group: string, topic: string, partition: number, offset: number, metadata = ''): void {
    const found = this.#topic(topic);
    const positions = found.groups.get(group);
    if (positions === undefined)
      throw new EngineError('unknown-topic', `group '${group}' does not read topic '${topic}'`);
    this.#partition(topic, partition);
    if (positions[partition]!.offset === abandoned) {
      throw new EngineError('unknown-topic', `group '${group}' has given up ${topic}/${partition}`);
    }
    positions[partition] = { offset, metadata };
    this.#release(found, partition);
  }

  /** Resolves when the partition reaches past `offset`, when `signal` aborts, or when the log closes. */
  waitForData(topic: string, partition: number, offset: number, signal: AbortSignal): Promise<void> {
    const found = this.#partition(topic, partition);
    if (this.endOffset(topic, partition) > offset || signal.aborted || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        found.waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      found.waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  /** A partition as a sink of this group reads it. Registers the group. */
  source(group: string, topic: string, partition: number): PartitionSource {
    this.subscribe(group, topic);
    return {
      topic,
      partition,
      committed: () => Promise.resolve(this.committed(group, topic, partition)),
      commit: (offset, metadata) => {
        this.commit(group, topic, partition, offset, metadata);
        return Promise.resolve();
      },
      read: (offset, maxRecords) => this.read(topic, partition, offset, maxRecords),
      endOffset: () => this.endOffset(topic, partition),
      waitForData: (offset, signal) => this.waitForData(topic, partition, offset, signal),
    };
  }

  /** Refuses further writes and wakes whoever waits. What is held can still be read. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#roomWaiters) wake();
    this.#roomWaiters.clear();
    for (const topic of this.#topics.values()) {
      for (const partition of topic.partitions) for (const wake of [...partition.waiters]) wake();
    }
  }

  #topic(topic: string): Topic {
    const found = this.#topics.get(topic);
    if (found === undefined) throw new EngineError('unknown-topic', `there is no topic '${topic}'`);
    return found;
  }

  #partition(topic: string, partition: number): Partition {
    const found = this.#topic(topic).partitions[partition];
    if (found === undefined)
      throw new EngineError('unknown-topic', `topic '${topic}' has no partition ${partition}`);
    return found;
  }

  #place(record: NewRecord): { topic: Topic; partition: number } {
    const topic = this.#topic(record.topic);
    const count = topic.partitions.length;
    if (record.partition !== undefined) {
      if (topic.partitions[record.partition] === undefined) {
        throw new EngineError(
          'unknown-topic',
          `topic '${record.topic}' has no partition ${record.partition}`,
        );
      }
      return { topic, partition: record.partition };
    }
    if (record.key !== null) return { topic, partition: partitionOf(record.key, count) };
    topic.next = (topic.next + 1) % count;
    return { topic, partition: topic.next };
  }

  #push(record: NewRecord, topic: Topic, index: number): void {
    const partition = topic.partitions[index]!;
    if (partition.readers === 0) {
      partition.firstOffset += 1;
      return;
    }
    const { key, value, timestampMs, headers } = record;
    const offset = partition.firstOffset + partition.records.length - partition.head;
    partition.records.push({ offset, key, value, timestampMs, headers });
    this.#bytes += bytesOf(key, value);
  }

  #notify(name: string, topic: Topic, index: number): void {
    const { waiters } = topic.partitions[index]!;
    if (waiters.size > 0) for (const wake of [...waiters]) wake();
    for (const listener of this.#listeners) listener(name, index);
  }

  #release(topic: Topic, index: number): void {
    const partition = topic.partitions[index]!;
    let keepFrom = partition.firstOffset + partition.records.length - partition.head;
    for (const positions of topic.groups.values()) keepFrom = Math.min(keepFrom, positions[index]!.offset);
    for (; partition.firstOffset < keepFrom; partition.firstOffset += 1) {
      const record = partition.records[partition.head]!;
      this.#bytes -= bytesOf(record.key, record.value);
      partition.records[partition.head] = freed;
      partition.head += 1;
    }
    if (partition.head > 1024 && partition.head * 2 > partition.records.length) {
      partition.records = partition.records.slice(partition.head);
      partition.head = 0;
    }
    if (this.#bytes <= this.#maxBytes && this.#roomWaiters.size > 0) {
      const waiting = [...this.#roomWaiters];
      this.#roomWaiters.clear();
      for (const wake of waiting) wake();
    }
  }
}

/** Stands where a record was until its place in the array goes too: a freed record must not stay in memory. */
const freed: LogRecord = { offset: -1, key: null, value: null, timestampMs: 0, headers: {} };

function bytesOf(key: Buffer | null, value: Buffer | null): number {
  return recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
}
