/** How a topic of Kafka differs from the one that is needed, and what to do about it. */
import type { PlannedTopic, Requirement } from './planned-topic.ts';

export interface ExistingTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Topic settings, defaults included. */
  readonly settings: ReadonlyMap<string, string>;
}

const unlimited: ReadonlySet<string> = new Set(['retention.ms', 'retention.bytes']);

/** A broker that does not know the setting has no such limit: `message.timestamp.after.max.ms` is of Kafka 3.6. */
function isMet(requirement: Requirement, is: string | undefined): boolean {
  if (is === undefined) return true;
  if ('equals' in requirement) return is === requirement.equals;
  return Number(is) >= requirement.atLeast || (is === '-1' && unlimited.has(requirement.setting));
}

const wanted = (requirement: Requirement): string =>
  'equals' in requirement ? requirement.equals : String(requirement.atLeast);

function partitionProblem(planned: PlannedTopic, is: number, bootstrap: string): string {
  const { topic, what, partitions } = planned;
  const isOwn = what.startsWith('changelog') || what.startsWith('journal');
  const cause = isOwn
    ? "its processor's inputs had another number of partitions when it was made: give them that number again"
    : `let its schema say ${is} partitions`;
  // More partitions would move keys away from their states and their order, so they are never added.
  return (
    `it has ${is} partitions, it must have ${partitions}: ${cause}; or, if all that is in it may be lost, remove it ` +
    `and start again: kafka-topics --bootstrap-server ${bootstrap} --delete --topic ${topic}`
  );
}

/**
 * Every difference of one topic in one text; undefined when it is as it must be.
 *
 * @param bootstrap the brokers, for the commands that the text names
 */
export function topicDifferences(
  planned: PlannedTopic,
  existing: ExistingTopic,
  bootstrap: string,
): string | undefined {
  const { topic, what, partitions, requirements } = planned;
  const unmet = requirements.filter((one) => !isMet(one, existing.settings.get(one.setting)));
  const problems = unmet.map((one) => {
    const least = 'equals' in one ? '' : ' or more';
    const is = existing.settings.get(one.setting)!;
    return `its ${one.setting} is ${is}, it must be ${wanted(one)}${least}: ${one.because}`;
  });
  if (unmet.length > 0) {
    const settings = unmet.map((one) => `${one.setting}=${wanted(one)}`).join(',');
    problems.push(
      `to set this: kafka-configs --bootstrap-server ${bootstrap} --alter --entity-type topics --entity-name ${topic} ` +
        `--add-config ${settings}`,
    );
  }
  if (existing.partitions !== partitions)
    problems.unshift(partitionProblem(planned, existing.partitions, bootstrap));
  if (problems.length === 0) return undefined;
  return [`topic ${topic} (${what})`, ...problems.map((problem) => `  - ${problem}`)].join('\n');
}
