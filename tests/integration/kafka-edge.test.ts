/** Agents and simulators on Kafka: events are heard at least once, one at a time within a key, whatever members do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { KafkaEdge, type KafkaEdgeConfig } from '#client/kafka-edge.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { type LinkState, linkStates } from '#schemas/migration/generated.ts';
import { createClientTopics, linksOn, linkState } from './client.fixture.ts';
import { clientOf, kafkaForFile } from './kafka.fixture.ts';

const local = kafkaForFile();

/** Longer than a slow machine keeps a member from running: what it heard comes to nobody again. */
const longMs = 120_000;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Opened {
  readonly edge: KafkaEdge;
  readonly failures: string[];
}

async function open(
  kafka: LocalKafka,
  group: string,
  config: Partial<KafkaEdgeConfig> = {},
): Promise<Opened> {
  const failures: string[] = [];
  const edge = await KafkaEdge.start({
    client: { brokers: kafka.bootstrapServers.split(','), source: '/tests/edge' },
    group,
    sessionTimeoutMs: longMs,
    schemaWaitMs: longMs,
    onFailure: (place, error) => failures.push(`${place}: ${(error as Error).message}`),
    ...config,
  });
  closing.push(() => edge.stop(5_000));
  return { edge, failures };
}

async function until(what: string, isSo: () => boolean, limitMs = longMs): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  while (!isSo()) {
    if (performance.now() > giveUpAtMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(10);
  }
}

describe('a subscription', () => {
  it('hears what was and will be published, one event at a time within a key', async (context) => {
    const kafka = local.of(context);
    const topic = 'heard';
    await createClientTopics(kafka, [{ topic, partitions: 3 }]);
    const { edge, failures } = await open(kafka, 'one');
    for (let n = 0; n < 10; n++) await edge.publish(linksOn(topic), linkState(`d-${n % 5}`, n));
    const heard: LinkState[] = [];
    const busy = new Set<string>();
    const subscription = await edge.subscribe(linksOn(topic), async (event) => {
      expect(busy.has(event.device_id)).toBe(false);
      busy.add(event.device_id);
      await sleep(event.path_epoch % 3);
      busy.delete(event.device_id);
      heard.push(event);
    });
    const later = Array.from({ length: 290 }, (_, i) =>
      edge.publish(linksOn(topic), linkState(`d-${i % 5}`, 10 + i)),
    );
    await Promise.all(later);
    await until('300 heard', () => heard.length >= 300);
    await subscription.stop();
    expect(failures).toEqual([]);
    expect(heard).toHaveLength(300);
    const last = new Map<string, number>();
    for (const { device_id: key, path_epoch: n } of heard) {
      expect(n).toBeGreaterThan(last.get(key) ?? -1);
      last.set(key, n);
    }
    expect(edge.published).toBe(300);
  });

  it('goes on where the one before of its group stopped', async (context) => {
    const kafka = local.of(context);
    const topic = 'continued';
    await createClientTopics(kafka, [{ topic, partitions: 2 }]);
    const { edge } = await open(kafka, 'continuing');
    const heard: number[] = [];
    const hear = ({ path_epoch }: LinkState): void => {
      heard.push(path_epoch);
    };
    for (let n = 0; n < 20; n++) await edge.publish(linksOn(topic), linkState(`d-${n}`, n));
    const first = await edge.subscribe(linksOn(topic), hear);
    await until('20 heard', () => heard.length === 20);
    await first.stop();
    await edge.stop();
    const again = await open(kafka, 'continuing');
    for (let n = 20; n < 40; n++) await again.edge.publish(linksOn(topic), linkState(`d-${n}`, n));
    await again.edge.subscribe(linksOn(topic), hear);
    await until('40 heard', () => heard.length >= 40);
    await sleep(200);
    expect(heard.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  it('shares partitions with others of its group, and loses nothing when one comes and goes', async (context) => {
    const kafka = local.of(context);
    const topic = 'shared';
    await createClientTopics(kafka, [{ topic, partitions: 4 }]);
    const one = await open(kafka, 'sharing');
    const heard = new Map<number, string[]>();
    const hear =
      (who: string) =>
      async ({ path_epoch }: LinkState): Promise<void> => {
        await sleep(1);
        heard.set(path_epoch, [...(heard.get(path_epoch) ?? []), who]);
      };
    await one.edge.subscribe(linksOn(topic), hear('one'));
    let published = 0;
    const done = new AbortController();
    const publishing = (async () => {
      for (; !done.signal.aborted; published++)
        await one.edge.publish(linksOn(topic), linkState(`d-${published % 17}`, published));
    })();
    const heardBy = (who: string): number => [...heard.values()].flat().filter((one) => one === who).length;
    await until('one has heard some', () => heardBy('one') > 100);
    const two = await open(kafka, 'sharing');
    const second = await two.edge.subscribe(linksOn(topic), hear('two'));
    await until('two has heard some', () => heardBy('two') > 100);
    await second.stop();
    const before = heardBy('one');
    await until('one has heard more', () => heardBy('one') > before + 100);
    done.abort();
    await publishing;
    await until('all heard', () => heard.size === published);
    expect([...one.failures, ...two.failures]).toEqual([]);
    const by = new Set([...heard.values()].flat());
    expect(by).toEqual(new Set(['one', 'two']));
    // Members that come and go in order commit before: nothing is heard twice.
    expect([...heard].filter(([, who]) => who.length > 1)).toEqual([]);
  });

  it('of the same topic twice in a process hears everything twice', async (context) => {
    const kafka = local.of(context);
    const topic = 'twice';
    await createClientTopics(kafka, [{ topic, partitions: 2 }]);
    const { edge } = await open(kafka, 'twice');
    const heard: string[] = [];
    for (const who of ['a', 'b'])
      await edge.subscribe(linksOn(topic), ({ path_epoch }) => {
        heard.push(`${who}${path_epoch}`);
      });
    for (let n = 0; n < 6; n++) await edge.publish(linksOn(topic), linkState(`d-${n}`, n));
    await until('12 heard', () => heard.length === 12);
    expect(new Set(heard).size).toBe(12);
  });

  it('reports what it cannot read and handlers that fail, and goes on', async (context) => {
    const kafka = local.of(context);
    const topic = 'poisoned';
    await createClientTopics(kafka, [{ topic }]);
    const { edge, failures } = await open(kafka, 'poisoned', { schemaWaitMs: 300 });
    await edge.publish(linksOn(topic), linkState('d', 0));
    const producer = clientOf(kafka).producer();
    await producer.connect();
    const unknown = Buffer.concat([Buffer.from('c301', 'hex'), Buffer.alloc(8, 7), Buffer.from('x')]);
    await producer.send({
      topic,
      messages: [{ value: 'no event' }, { value: unknown }, { value: null }],
    });
    await producer.disconnect();
    await edge.publish(linksOn(topic), linkState('d', 1));
    await edge.publish(linksOn(topic), linkState('d', 2));
    const heard: number[] = [];
    await edge.subscribe(linksOn(topic), ({ path_epoch }) => {
      if (path_epoch === 1) throw new Error('the actuator is broken');
      heard.push(path_epoch);
    });
    await until('the last heard', () => heard.includes(2));
    expect(heard).toEqual([0, 2]);
    expect(failures).toEqual([
      expect.stringMatching(/^poisoned\/0\/1: begins with 6e6f/),
      expect.stringMatching(/^poisoned\/0\/2: written with a schema of fingerprint 0707070707070707/),
      'poisoned/0/4: the actuator is broken',
    ]);
  });

  it('waits for a schema that is announced after its event', async (context) => {
    const kafka = local.of(context);
    const topic = 'announced-late';
    await createClientTopics(kafka, [{ topic }]);
    // A version of the schema that nobody has announced: with one field more.
    const wider = {
      ...linkStates,
      schema: {
        ...linkStates.schema,
        fields: [
          ...(linkStates.schema['fields'] as readonly object[]),
          { name: 'speed_mbps', type: 'int', default: 0 },
        ],
      },
    };
    const bytes = eventCodec(wider, new WriterSchemas()).encode({
      ...linkState('d', 5),
      speed_mbps: 9,
    } as LinkState);
    const producer = clientOf(kafka).producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ key: 'd', value: bytes }] });
    await producer.disconnect();
    const { edge, failures } = await open(kafka, 'late');
    const heard: LinkState[] = [];
    await edge.subscribe(linksOn(topic), (event) => {
      heard.push(event);
    });
    await sleep(500);
    expect(heard).toEqual([]);
    await createClientTopics(kafka, [{ topic: 'elsewhere' }]);
    await edge.publish({ ...wider, topic: 'elsewhere' }, {
      ...linkState('d', 6),
      speed_mbps: 1,
    } as LinkState);
    await until('it is heard', () => heard.length === 1);
    expect(heard).toEqual([linkState('d', 5)]);
    expect(failures).toEqual([]);
  });

  it('tells when retention was faster than it, and goes on with what is left', async (context) => {
    const kafka = local.of(context);
    const topic = 'truncated';
    await createClientTopics(kafka, [{ topic }]);
    const troubles: string[] = [];
    const { edge } = await open(kafka, 'truncated', {
      onTrouble: ({ message }) => troubles.push(message),
    });
    const heard: number[] = [];
    const hear = ({ path_epoch }: LinkState): void => {
      heard.push(path_epoch);
    };
    const first = await edge.subscribe(linksOn(topic), hear);
    await edge.publish(linksOn(topic), linkState('d', 0));
    await until('the first heard', () => heard.length === 1);
    await first.stop();
    await edge.stop();
    const again = await open(kafka, 'truncated', { onTrouble: ({ message }) => troubles.push(message) });
    for (let n = 1; n < 10; n++) await again.edge.publish(linksOn(topic), linkState('d', n));
    const admin = clientOf(kafka).admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // deleteTopicRecords takes the leaders from the last look
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
    await admin.disconnect();
    await again.edge.subscribe(linksOn(topic), hear);
    await until('the last heard', () => heard.includes(9));
    expect(heard).toEqual([0, 5, 6, 7, 8, 9]);
    expect(troubles.join()).toMatch(/truncated-0 at offset 1 is not in the partition/);
  });

  it('survives its broker being killed', async (context) => {
    const kafka = local.of(context);
    const topic = 'surviving';
    await createClientTopics(kafka, [{ topic, partitions: 2 }]);
    const { edge, failures } = await open(kafka, 'surviving');
    const heard = new Set<number>();
    await edge.subscribe(linksOn(topic), ({ path_epoch }) => {
      heard.add(path_epoch);
    });
    for (let n = 0; n < 20; n++) await edge.publish(linksOn(topic), linkState(`d-${n}`, n));
    await kafka.brokers[0]!.kill();
    const during = Array.from({ length: 20 }, (_, i) =>
      edge.publish(linksOn(topic), linkState(`d-${i}`, 20 + i)),
    );
    await kafka.brokers[0]!.restart();
    await Promise.all(during);
    await until('all heard', () => heard.size === 40);
    expect(failures).toEqual([]);
  });
});
