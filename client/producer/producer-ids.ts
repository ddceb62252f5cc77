/** The producer id under which partitions begin, and how another one is obtained. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientError } from '../client-error.ts';
import { answerOf, errorName } from './kafka-answer.ts';
import { GrowingPause } from './growing-pause.ts';
import type { PartitionQueue, QueueLimits } from './partition-queue.ts';
import type { ProducerIdentity } from './record-batch.ts';
import { initProducerIdCall } from './requests.ts';
import type { TopicDirectory } from './topic-directory.ts';

export class ProducerIds {
  readonly #directory: TopicDirectory;
  readonly #pause: GrowingPause;
  #current: ProducerIdentity | undefined;
  #obtaining = false;

  constructor(directory: TopicDirectory, limits: QueueLimits) {
    this.#directory = directory;
    this.#pause = new GrowingPause(limits);
  }

  get current(): ProducerIdentity | undefined {
    return this.#current;
  }

  /** Queues that are made from now on begin under another id: brokers may know their partitions' sequences of this one. */
  forget(): void {
    this.#current = undefined;
  }

  /** Whether a queue cannot be sent before another id is there. */
  isMissingTo(queue: PartitionQueue): boolean {
    return queue.needsProducer && (this.#current === undefined || queue.burnt === this.#current.id);
  }

  /**
   * Asks the brokers for another id, once at a time; after a failure it returns when the next attempt may be made.
   *
   * @param failed hears why there is none
   * @returns whether it was this call that asked
   */
  async obtain(failed: (cause: unknown) => void): Promise<boolean> {
    if (this.#obtaining) return false;
    this.#obtaining = true;
    try {
      const { errorCode, id, epoch } = await this.#directory.callAny(initProducerIdCall());
      if (errorCode !== 0) {
        const code = answerOf(errorCode) === 'refused' ? 'refused' : 'kafka-unreachable';
        throw new ClientError(code, `no producer id: the broker answers ${errorName(errorCode)}`);
      }
      this.#current = { id, epoch };
      this.#pause.reset();
    } catch (cause) {
      failed(cause);
      await sleep(this.#pause.next());
    } finally {
      this.#obtaining = false;
    }
    return true;
  }
}
