/**
 * Writes a partition's dead letters and commits its position in one Kafka transaction.
 *
 * The transaction's commit of a position carries no generation of the group (librdkafka's handle never joins it), so it is
 * fenced by the transactional id, which is the partition's own:
 *
 * I1  Every owner raises the id's epoch before it reads the committed position (`fencePartition`): what an earlier owner had
 *     under way is decided by then, and none of its transactions can commit after it.
 * I2  The producer is opened when there is a first letter, which raises the epoch once more. An owner that has lost the
 *     partition without knowing it must not do that after its successor's I1 and then commit: so after opening, nothing is
 *     written before the group has answered a heartbeat that was sent later. Whoever was still the owner then will be fenced by
 *     the successor's I1, which comes after.
 * I3  A producer lives at most as long as its owner, and that no longer than one generation of the group.
 * I4  A producer is used up by the first commit that fails (transactional-producer.ts, I7). A transaction that was aborted, or was
 *     too large, is tried again with the next one; whatever else fails ends this owner: the partition is opened again, by I1,
 *     and finds out there what is committed.
 */
import { EngineError } from '#engine/engine-error.ts';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import type { OffsetsHandle } from '#engine/kafka/driver/offsets-handle.ts';
import { type PlacedRecord, TransactionalProducer } from '#engine/kafka/driver/transactional-producer.ts';
import type { GroupMember } from '#engine/kafka/reader/group-member.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import type { NewRecord } from '#engine/log/log.ts';
import { deadLetters } from '#engine/records/generated.ts';
import type { Finish } from '../partition-wiring.ts';
import { confirmed } from './confirmed.ts';
import { transactionTimeoutMs } from './fence-partition.ts';

const closeMs = 1_000;

/** What the letters of all partitions are written with. */
export interface LetterWriting {
  readonly connection: KafkaConnection;
  /** Opened at the first letter; of the sink's group. */
  readonly offsets: () => Promise<OffsetsHandle>;
  readonly onTrouble: (error: EngineError) => void;
}

export interface LetterOwner {
  readonly topic: string;
  readonly partition: number;
  readonly transactionalId: string;
  readonly member: Pick<GroupMember, 'heardAtMs'>;
}

export class LetterWriter {
  readonly #writing: LetterWriting;
  readonly #owner: LetterOwner;
  #producer: TransactionalProducer | undefined;

  constructor(writing: LetterWriting, owner: LetterOwner) {
    this.#writing = writing;
    this.#owner = owner;
  }

  /**
   * @throws EngineError `transaction-aborted`, to be tried again; `fenced` when the partition is to be opened again or is
   *   another's; `kafka-refused`, `no-librdkafka`
   */
  readonly finish: Finish = async ({ letters, lettersWithoutBytes, offset }, stop) => {
    try {
      await this.#commit(letters, offset, stop).catch((error: unknown) => {
        // The letters' topic may have been given a limit below that of letters.
        if (!(error instanceof EngineError && error.code === 'record-too-large')) throw error;
        return this.#commit(lettersWithoutBytes(), offset, stop);
      });
    } catch (error) {
      const passes =
        error instanceof EngineError && (error.code === 'outcome-unknown' || error.code === 'fenced');
      throw passes ? new EngineError('fenced', error.message, { cause: error }) : error;
    }
  };

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close(closeMs);
  }

  async #commit(letters: readonly NewRecord[], offset: number, stop: AbortSignal): Promise<void> {
    const { topic, partition } = this.#owner;
    this.#producer ??= await this.#open(stop);
    stop.throwIfAborted();
    try {
      await this.#producer.commit({
        records: letters.map(placed),
        positions: [{ topic, partition, offset }],
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** I2 */
  async #open(stop: AbortSignal): Promise<TransactionalProducer> {
    const { connection, offsets, onTrouble } = this.#writing;
    const { transactionalId, member } = this.#owner;
    const producer = await TransactionalProducer.open(
      { connection, transactionalId, offsets: await offsets(), transactionTimeoutMs, onTrouble },
      stop,
    );
    try {
      await confirmed(member, stop);
      return producer;
    } catch (error) {
      await producer.close(closeMs);
      throw error;
    }
  }
}

function placed(letter: NewRecord): PlacedRecord {
  if (letter.key === null) throw new RangeError('a dead letter without a key');
  return { ...letter, partition: partitionOf(letter.key, deadLetters.partitions) };
}
