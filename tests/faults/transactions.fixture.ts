/** How many of an app's transactions were aborted after their records had reached the brokers: commits that a fault hit. */
import { changelogTopic } from '#engine/kafka/names.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { metaKey } from '#engine/task/state-codec.ts';
import { taskCount, type App } from '#engine/topology/app.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { decidedEnds } from '../integration/decided-ends.fixture.ts';
import { readWithLibrdkafka } from '../integration/librdkafka.fixture.ts';
import { connectionTo } from './proof.fixture.ts';

/** Every transaction of a task writes one entry of the task itself to its changelog. */
const meta = metaKey.toString('hex');

export async function abortedTransactions(
  kafka: Pick<LocalKafka, 'bootstrapServers'>,
  app: App,
): Promise<number> {
  const { bootstrapServers } = kafka;
  await decidedEnds(connectionTo(kafka), plannedTopics(app));
  let aborted = 0;
  for (const processor of app.processors)
    for (let partition = 0; partition < taskCount(processor); partition += 1) {
      const topic = changelogTopic(app.name, processor.name);
      const count = async (isolation: 'read_committed' | 'read_uncommitted'): Promise<number> => {
        const records = await readWithLibrdkafka(bootstrapServers, topic, partition, isolation);
        return records.filter(({ key }) => key === meta).length;
      };
      aborted += (await count('read_uncommitted')) - (await count('read_committed'));
    }
  return aborted;
}
