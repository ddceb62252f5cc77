/** The proof of the fault tests can fail: it finds a repeated output, a lost one, and a state that is not that of the inputs. */
import { Partitioners } from 'kafkajs';
import { expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { changelogTopic } from '#engine/kafka/names.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import type { Fold, Folding } from '../integration/folding.fixture.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { connectionTo, foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';

const local = kafkaForFile();

/** A finished run without faults. */
async function ranOnce(kafka: LocalKafka, name: string): Promise<[Folding, ReadonlySet<string>]> {
  const folding = await foldingOn(kafka, name, 2);
  const load = await ItemLoad.start({ kafka, folding, perSecond: 500, things: 5 });
  const runtime = await KafkaRuntime.start({
    app: folding.app,
    connection: connectionTo(kafka),
    writers: new WriterSchemas(),
  });
  await untilFolded(kafka, folding, 200);
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  expect(await runtime.stop(60_000)).toBe(true);
  return [folding, acknowledged];
}

async function write(kafka: LocalKafka, topic: string, message: Message): Promise<void> {
  const producer = clientOf(kafka).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages: [message] });
  await producer.disconnect();
}

interface Message {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly partition: number;
  readonly headers?: Record<string, string>;
}

it('accepts a run without faults, and nothing else', async (context) => {
  const kafka = local.of(context);
  const [folding, acknowledged] = await ranOnce(kafka, 'proved');
  const prove = (ids = acknowledged): Promise<unknown> =>
    proveExactlyOnce({ kafka, folding, acknowledged: ids });
  await prove();
  await expect(prove(new Set([...acknowledged, 'lost']))).rejects.toThrow(
    /acknowledged inputs that are not in the log/,
  );

  // A fold of an item that is folded already, as a second life of its task would have written it.
  const { refolds } = folding;
  const key = Buffer.from('thing-0');
  const partition = partitionOf(key, refolds.partitions);
  const fold: Fold = { thing: 'thing-0', at: 1, count: 1, digest: '', last: 'item-0' };
  const value = eventCodec(refolds, new WriterSchemas()).encode(fold);
  await write(kafka, refolds.topic, { key, value, partition });
  await expect(prove()).rejects.toThrow(/second stage: inputs that were not folded exactly once/);
  const headers = {
    ce_source: `/weir/folding.second/${partition}`,
    ce_id: `${folding.folds.topic}/${partition}/0#0`,
  };
  await write(kafka, refolds.topic, { key, value, partition, headers });
  await expect(prove()).rejects.toThrow(/the replay differs from the recording:\n.*folding\.second-/);
});

it('finds a state that the inputs do not lead to', async (context) => {
  const kafka = local.of(context);
  const [folding, acknowledged] = await ranOnce(kafka, 'forged');
  const topic = changelogTopic(folding.app.name, 'folding.first');
  await write(kafka, topic, { key: Buffer.from('kforged'), value: Buffer.from([0, 0, 0]), partition: 0 });
  await expect(proveExactlyOnce({ kafka, folding, acknowledged })).rejects.toThrow(
    /state of folding\.first-0/,
  );
});
