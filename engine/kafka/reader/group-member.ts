/**
 * Membership in a consumer group: who reads which partitions, and the positions that the group has committed. What is
 * read is not its business (`kafka-reader.ts`).
 *
 * Classic protocol, eager: at a rebalance every member gives up all partitions and then hears which are its own. A
 * sticky assigner gives most of them back; what is kept open meanwhile is the caller's choice.
 *
 * I1  Heartbeats go on while the caller prepares for a rebalance or restores state: nothing of its work is awaited by
 *     them, except `beforeRebalance` by the next join, and that at most `rebalanceTimeoutMs` long.
 * I2  A commit carries member and generation, and is refused (`fenced`) for a partition that is not this member's.
 * I3  When the group no longer counts this member in, `onLost` comes before the next `onAssigned`, and
 *     `beforeRebalance` does not: what it would commit belongs to others.
 * I4  An unreachable coordinator is looked for again; after `sessionTimeoutMs` without a heartbeat all is lost.
 */
import { type KafkaConfig, type PartitionAssigner, PartitionAssigners } from 'kafkajs';
import { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import type { Committed } from '../../log/log.ts';
import { kafkaFailure } from '../connection-failure.ts';
import {
  createCluster,
  createGroup,
  type KafkaBroker,
  type KafkaCluster,
  type KafkaGroup,
} from './kafkajs-cluster.ts';

export interface GroupMemberConfig {
  /** Brokers, SASL and TLS, as kafkajs takes them. */
  readonly kafka: KafkaConfig;
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Round robin by default. Members of a group must have the same. Its `protocol` is asked each time the member joins. */
  readonly assigner?: PartitionAssigner;
  /** 10 s by default. */
  readonly sessionTimeoutMs?: number;
  /** How long members may take to be ready for a rebalance; 20 s by default. */
  readonly rebalanceTimeoutMs?: number;
  /** Between heartbeats: also how soon a rebalance is noticed. 500 ms by default. */
  readonly heartbeatMs?: number;
  /** These partitions are this member's in a generation of the group, and no others. It must not throw. */
  readonly onAssigned: (assignment: Assignment, generation: number) => void;
  /** The partitions may be another member's soon: commit what is to be committed and stop. It should not reject. */
  readonly beforeRebalance: () => Promise<void>;
  /** The partitions may be another member's already: drop what is not committed. It must not throw. */
  readonly onLost: () => void;
  /** What keeps the member from its group for now, or until somebody mends it when it is not retryable. */
  readonly onTrouble?: (error: EngineError) => void;
}

/** Topic -> partitions, ascending. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

const retryPauseMs = 200;
/** A group that refuses a member which it had is asked again: permissions are mended, coordinators recover. */
const refusedPauseMs = 5_000;
const noPartitions: Assignment = new Map();

const typeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'type' in error && typeof error.type === 'string' ? error.type : undefined;
const isRebalance = (type: string | undefined): boolean =>
  type === 'REBALANCE_IN_PROGRESS' || type === 'NOT_COORDINATOR_FOR_GROUP';
/** The group went on without this member. */
const isLoss = (type: string | undefined): boolean =>
  type === 'UNKNOWN_MEMBER_ID' || type === 'ILLEGAL_GENERATION' || type === 'FENCED_INSTANCE_ID';
const isFinal = (error: unknown): boolean =>
  typeOf(error) !== undefined && error instanceof Error && 'retriable' in error && error.retriable === false;

export class GroupMember {
  readonly #config: Required<GroupMemberConfig>;
  readonly #cluster: KafkaCluster;
  readonly #group: KafkaGroup;
  readonly #leaving = new AbortController();
  #assignment: Assignment = noPartitions;
  #running: Promise<void> = Promise.resolve();
  #heardAtMs = 0;

  private constructor(config: GroupMemberConfig) {
    this.#config = {
      ...config,
      assigner: config.assigner ?? PartitionAssigners.roundRobin,
      sessionTimeoutMs: config.sessionTimeoutMs ?? 10_000,
      rebalanceTimeoutMs: config.rebalanceTimeoutMs ?? 20_000,
      heartbeatMs: config.heartbeatMs ?? 500,
      onTrouble: config.onTrouble ?? ((): void => undefined),
    };
    this.#cluster = createCluster(config.kafka);
    this.#group = createGroup(this.#cluster, config.kafka, this.#config);
  }

  /**
   * Join; resolves after the first `onAssigned`.
   *
   * @throws EngineError `kafka-unreachable`, `kafka-refused`, `unknown-topic` or `group-refused`
   */
  static async join(config: GroupMemberConfig): Promise<GroupMember> {
    const member = new GroupMember(config);
    try {
      await member.#cluster.connect();
      await member.#cluster.addMultipleTargetTopics(config.topics);
      await member.#joinUntilJoined();
    } catch (error) {
      await member.leave();
      throw member.#explain(error);
    }
    member.#running = member.#stayIn();
    return member;
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  /**
   * When the heartbeat (or join) was sent that the group answered last, on the clock of `performance.now()`: what is assigned now
   * was this member's then. Goes on while the member prepares for a rebalance.
   */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /**
   * The group's position in a partition, undefined without one. Offsets of a transaction that is not decided are not
   * seen: end the predecessor's first (`initTransactions`).
   *
   * @throws EngineError `kafka-unreachable`
   */
  async committed(topic: string, partition: number): Promise<Committed | undefined> {
    const { groupId } = this.#config;
    try {
      const coordinator = await this.#cluster.findGroupCoordinator({ groupId });
      const topics = [{ topic, partitions: [{ partition }] }];
      const { responses } = await coordinator.offsetFetch({ groupId, topics });
      const found = responses[0]?.partitions[0];
      if (found === undefined || found.offset === '-1') return undefined;
      return { offset: Number(found.offset), metadata: found.metadata ?? '' };
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /**
   * Commit the offset of the next record to read.
   *
   * @throws EngineError `fenced` when the partition is not, or no longer, this member's; `kafka-unreachable`
   */
  async commit(topic: string, partition: number, offset: number, metadata: string): Promise<void> {
    if (this.#assignment.get(topic)?.includes(partition) !== true)
      throw this.#fenced(`${topic}-${partition} is not assigned to this member`);
    try {
      await this.#coordinator().offsetCommit({
        groupId: this.#config.groupId,
        groupGenerationId: this.#group.generationId,
        memberId: this.#group.memberId,
        topics: [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }],
      });
    } catch (error) {
      const type = typeOf(error);
      if (isLoss(type)) throw this.#fenced(`${topic}-${partition} at ${offset}: ${type ?? ''}`, error);
      throw this.#explain(error);
    }
  }

  /** Leave the group. The caller has committed and stopped before. May be called twice. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#running;
    this.#assignment = noPartitions;
    try {
      await this.#group.leave();
    } catch (error) {
      // The group notices by itself, after the session's time-out.
      this.#config.onTrouble(this.#explain(error));
    }
    await this.#cluster.disconnect();
  }

  #isLeaving(): boolean {
    return this.#leaving.signal.aborted;
  }

  #coordinator(): KafkaBroker {
    const { coordinator } = this.#group;
    if (coordinator === null) throw this.#fenced('this member is in no group');
    return coordinator;
  }

  #fenced(what: string, cause?: unknown): EngineError {
    return new EngineError('fenced', `group ${this.#config.groupId}: ${what}`, { cause });
  }

  #explain(error: unknown): EngineError {
    if (error instanceof EngineError) return error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `group ${this.#config.groupId}: ${why}`;
    if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION')
      return new EngineError('unknown-topic', `${message}: create its topics`, { cause: error });
    const failure = kafkaFailure(`group ${this.#config.groupId}`, error);
    if (failure.retryable && isFinal(error))
      return new EngineError('group-refused', message, { cause: error });
    return failure;
  }

  #pause(ms: number): Promise<void> {
    return systemClock.sleep(ms, this.#leaving.signal);
  }

  /** kafkajs gives up a join while the coordinator loads or moves; this does not. */
  async #joinUntilJoined(): Promise<void> {
    let sentAtMs = 0;
    const { memberId } = this.#group;
    while (!this.#isLeaving()) {
      try {
        sentAtMs = performance.now();
        await this.#group.joinAndSync();
        break;
      } catch (error) {
        const failure = this.#explain(error);
        const isRefused = failure.code === 'kafka-refused' || isFinal(error);
        if (isRefused && !isLoss(typeOf(error))) throw failure;
        this.#config.onTrouble(failure);
        await this.#pause(retryPauseMs);
      }
    }
    if (this.#isLeaving()) return;
    // kafkajs joins as a new member, and does not say so, when the group has forgotten the one that it was (I3).
    if (memberId !== this.#group.memberId && this.#assignment !== noPartitions) this.#lose();
    // Not now: who was frozen with the answer at hand may have lost all of it since.
    this.#heardAtMs = sentAtMs;
    this.#assignment = new Map(
      this.#group
        .assigned()
        .map(({ topic, partitions }) => [topic, partitions.toSorted((a, b) => a - b)] as const),
    );
    this.#config.onAssigned(this.#assignment, this.#group.generationId ?? -1);
  }

  /** Heartbeats and rebalances until the member leaves; a group that refuses it is asked now and then. */
  async #stayIn(): Promise<void> {
    while (!this.#isLeaving()) {
      await this.#pause(this.#config.heartbeatMs);
      if (this.#isLeaving()) return;
      const change = await this.#heartbeat();
      if (change === 'none') continue;
      if (change === 'rebalance') await this.#prepare();
      else this.#lose();
      await this.#rejoin();
    }
  }

  async #rejoin(): Promise<void> {
    while (!this.#isLeaving()) {
      try {
        await this.#joinUntilJoined();
        return;
      } catch (error) {
        this.#lose();
        this.#config.onTrouble(this.#explain(error));
      }
      await this.#pause(refusedPauseMs);
    }
  }

  async #heartbeat(): Promise<'none' | 'rebalance' | 'lost'> {
    const sentAtMs = performance.now();
    try {
      // kafkajs leaves it out, and says nothing, until so long after the last one by a clock that may be set back.
      await this.#group.heartbeat({ interval: -Infinity });
      this.#heardAtMs = sentAtMs;
      return 'none';
    } catch (error) {
      const type = typeOf(error);
      // The group says so to a member of the generation that is in force until all have joined anew.
      if (type === 'REBALANCE_IN_PROGRESS') this.#heardAtMs = sentAtMs;
      if (isRebalance(type)) return 'rebalance';
      if (isLoss(type)) return 'lost';
      this.#config.onTrouble(this.#explain(error));
      await this.#findCoordinator();
      return performance.now() - this.#heardAtMs > this.#config.sessionTimeoutMs ? 'lost' : 'none';
    }
  }

  async #findCoordinator(): Promise<void> {
    const { groupId } = this.#config;
    try {
      this.#group.coordinator = await this.#cluster.findGroupCoordinator({ groupId });
    } catch (error) {
      this.#config.onTrouble(this.#explain(error));
    }
  }

  /** Let the caller commit and stop, with heartbeats going on. */
  async #prepare(): Promise<void> {
    const { beforeRebalance, rebalanceTimeoutMs, heartbeatMs, onTrouble } = this.#config;
    let over = false;
    const isOver = (): boolean => over;
    const prepared = beforeRebalance()
      .catch((error: unknown) => {
        onTrouble(this.#explain(error));
      })
      .finally(() => {
        over = true;
      });
    const giveUpAtMs = performance.now() + rebalanceTimeoutMs;
    while (!isOver() && performance.now() < giveUpAtMs) {
      await Promise.race([prepared, systemClock.sleep(heartbeatMs)]);
      if (!isOver() && (await this.#heartbeat()) === 'lost') {
        this.#lose();
        return;
      }
    }
    if (!isOver()) this.#lose();
  }

  #lose(): void {
    this.#assignment = noPartitions;
    this.#config.onLost();
  }
}
