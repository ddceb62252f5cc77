/**
 * The sticky assignor: places the tasks of an app on the members of its group, by what they claim when they join.
 *
 * A partition of a changelog topic stands for its task; the group reads none of these topics. The group's leader, chosen
 * by the coordinator, decides for all (https://kafka.apache.org/protocol#The_Messages_JoinGroup).
 *
 * I1  A task is given to a member that subscribes to its topic, and to no other: members of one app may run other
 *     processors (`--only`, a deployment under way), and kafkajs drops in silence what it did not subscribe to.
 * I2  The leader places the tasks of all topics that any member names, its own or not. A topic that Kafka does not have
 *     is left out: it must not keep the others from their tasks.
 * I3  Members of another protocol cannot join the group: the coordinator refuses them.
 */
import { AssignerProtocol, type Assigner, type GroupMember, type PartitionAssigner } from 'kafkajs';
import { partitionsOfForeign } from '../reader/kafkajs-cluster.ts';
import { byTopic, type Claims, decodeClaims, encodeClaims } from './assignor-claims.ts';
import { type Member, placeTasks, type Task } from './placement.ts';

export const stickyProtocol = 'weir-sticky-1';

export interface StickyAssignorConfig {
  /** What this member claims; asked each time it joins. It must not throw. */
  readonly claims: () => Claims;
}

/** Of subscription and assignment: 0 is topics or partitions, and bytes of our own. */
const consumerProtocolVersion = 0;

/** A member by its subscription; one whose bytes are not a subscription gets nothing. */
function memberOf({
  memberId,
  memberMetadata,
}: GroupMember): Member & { readonly topics: readonly string[] } {
  const subscription = subscriptionOf(memberMetadata);
  const { topics = [], userData } = subscription ?? {};
  return { id: memberId, topics, ...decodeClaims(userData) };
}

function subscriptionOf(
  bytes: Buffer,
): { readonly topics: string[]; readonly userData: Buffer | null } | undefined {
  try {
    return AssignerProtocol.MemberMetadata.decode(bytes) ?? undefined;
  } catch (error) {
    // Not enough bytes for what they say.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** For `GroupMember.join`: places tasks as `placeTasks` says. */
export function stickyAssignor({ claims }: StickyAssignorConfig): PartitionAssigner {
  return ({ cluster }): Assigner => ({
    name: stickyProtocol,
    version: consumerProtocolVersion,
    protocol: ({ topics }) => ({
      name: stickyProtocol,
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: consumerProtocolVersion,
        topics,
        userData: encodeClaims(claims()),
      }),
    }),
    // kafkajs has looked up the leader's own topics just before.
    async assign({ members: subscribed, topics: own }) {
      const members = subscribed.map(memberOf);
      const foreign = [...new Set(members.flatMap(({ topics }) => topics))].filter(
        (topic) => !own.includes(topic),
      );
      const tasks: Task[] = await partitionsOfForeign(cluster, own, foreign.sort());
      for (const topic of own)
        for (const { partitionId } of cluster.findTopicPartitionMetadata(topic))
          tasks.push({ topic, partition: partitionId });
      return [...placeTasks(tasks, members)].map(([memberId, placed]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: consumerProtocolVersion,
          assignment: byTopic(placed, ({ partition }) => [partition]),
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}
