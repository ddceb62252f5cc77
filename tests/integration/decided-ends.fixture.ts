/** Where partitions end once every transaction on them has ended. */
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { WindowClient } from '#engine/kafka/recorder/window-client.ts';
import type { Stream } from '#engine/topology/stream.ts';

/**
 * The end of each partition of each topic, in this order, when what had been written before the call is decided: a broker answers a commit before
 * its markers are in the log, and nothing of it is read until they are.
 *
 * @throws EngineError as `WindowClient.endFrom`
 */
export async function decidedEnds(
  connection: KafkaConnection,
  topics: readonly Pick<Stream<unknown>, 'topic' | 'partitions'>[],
): Promise<number[]> {
  const client = await WindowClient.connect(connection, () => undefined);
  try {
    const ends: number[] = [];
    for (const { topic, partitions } of topics)
      for (let p = 0; p < partitions; p += 1)
        ends.push(await client.endFrom(topic, p, await client.offset(topic, p, 'written')));
    return ends;
  } finally {
    await client.close();
  }
}
