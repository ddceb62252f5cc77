/** The sink on a real Kafka and the real ClickHouse: every committed record is one row or one dead letter. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { formatIntent } from '#sinks/clickhouse/intent.ts';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
import { ENCODER_VERSION } from '#sinks/clickhouse/native/block-encoder.ts';
import { acquireWriterLease } from '#sinks/clickhouse/writer-lease.ts';
import { startTestServer, until, type TestServer } from './embedded-clickhouse.fixture.ts';
import { startFaultyClickHouse } from './faulty-clickhouse.fixture.ts';
import { clientOf, kafkaForFile } from './kafka.fixture.ts';
import {
  announce,
  commitAs,
  eventTimeMs,
  expectEachLetterOnce,
  letterOrigins,
  openScene,
  refuseSome,
  startLoad,
  withField,
  type SinkScene,
} from './kafka-sink.fixture.ts';
import { sessionTimeoutMs, startSinkProcess } from './kafka-sink-process.fixture.ts';

const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '500' } });
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});
const open: SinkScene[] = [];
afterEach(async () => {
  for (const scene of open.splice(0)) await scene.close();
});

const intentTo = (to: number, excluded: readonly number[] = []): string =>
  formatIntent(2, { to, encoder: ENCODER_VERSION, incarnation: '', memory: '', excluded });

/** Time enough for a sink to stop in order, on a machine that has much else to do. */
const stopMs = 60_000;

/** What a wait in vain has to tell takes so long, and is to be told before the test's own limit. */
const tellMs = 15_000;

async function sceneOf(context: Parameters<typeof local.of>[0], ...partitions: number[]): Promise<SinkScene> {
  const scene = await openScene(
    local.of(context),
    clickHouse.server.url,
    partitions,
    context.task.timeout - tellMs,
  );
  open.push(scene);
  return scene;
}

/** Sets how large the letters' topic lets a record be. What is not named goes back to the broker's default. */
async function limitLetters(kafka: LocalKafka, bytes: string): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: 'weir.dead-letters',
        configEntries: [
          { name: 'max.message.bytes', value: bytes },
          { name: 'message.timestamp.after.max.ms', value: '9223372036854775807' },
        ],
      },
    ],
  });
  // The brokers answer before they go by it.
  await until(async () => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'weir.dead-letters' }],
    });
    const limit = resources[0]!.configEntries.find(({ configName }) => configName === 'max.message.bytes');
    return limit?.configValue === bytes;
  });
  await admin.disconnect();
}

/** Removes the records before an offset in each partition; -1: all that are there. */
async function deleteRecords(kafka: LocalKafka, topic: string, before: readonly string[]): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  // Without it kafkajs does not know the topic's leader.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({
    topic,
    partitions: before.map((offset, partition) => ({ partition, offset })),
  });
  await admin.disconnect();
}

describe('a sink on Kafka', () => {
  it('has every committed record of all topics once, and none of an aborted transaction', async (context) => {
    const scene = await sceneOf(context, 4, 2, 1);
    for (let i = 0; i < 6; i += 1) await scene.writer.write(scene.streams, 50);
    const sink = await scene.start();
    for (let i = 0; i < 6; i += 1) await scene.writer.write(scene.streams, 50);
    await scene.expectExactlyOnce();
    expect(scene.writer.committed).toBe(8 * 7 * 50);
    await sink.drain();
    expect((await sink.stats()).map(({ lag }) => lag)).toEqual([0, 0, 0, 0, 0]);
    expect(await sink.stop(stopMs)).toBe(true);
  });

  it('goes on where it ended, after a stop and with other batches', async (context) => {
    const scene = await sceneOf(context, 3);
    for (const maxRows of [7, 500, 13]) {
      const sink = await scene.start({ limits: { maxRows } });
      await scene.writer.write(scene.streams, 100);
      await sleep(Math.random() * 300);
      expect(await sink.stop(stopMs)).toBe(true);
      expect((await scene.audit()).filter(({ inDoubtTo }) => inDoubtTo !== null)).toEqual([]);
    }
    await scene.start();
    await scene.expectExactlyOnce();
  });

  it('comes to the end past what was aborted last, which may then be removed', async (context) => {
    const scene = await sceneOf(context, 2);
    const first = await scene.start();
    for (let i = 0; i < 2; i += 1) await scene.writer.write(scene.streams, 10);
    await scene.expectExactlyOnce();
    // The third transaction is aborted, and nothing comes after it.
    await scene.writer.write(scene.streams, 10);
    await scene.expectExactlyOnce();
    await first.stop(stopMs);
    await deleteRecords(local.of(context), scene.streams[0]!.topic, ['-1', '-1']);
    const second = await scene.start();
    await scene.writer.write(scene.streams, 10);
    await scene.decided();
    await second.drain();
    expect((await second.stats())[0]).toMatchObject({ rows: 20, lag: 0 });
  });

  it('shares partitions with others that come and go under load', async (context) => {
    const scene = await sceneOf(context, 6, 4);
    const load = startLoad(scene, 20);
    const first = await scene.start();
    const [second, third] = await Promise.all([scene.start(), scene.start()]);
    const isShared = (): boolean =>
      [first, second, third].every(({ assignment }) => [...assignment.values()].flat().length >= 4);
    await until(isShared);
    // A partition that is still being taken over may have its last owner's promise open.
    await Promise.all([first, second, third].map((sink) => sink.drain()));
    expect(await Promise.all([first.stop(stopMs), third.stop(stopMs)])).toEqual([true, true]);
    await until(() => [...second.assignment.values()].flat().length === 15);
    await sleep(500);
    await load.stop();
    await scene.expectExactlyOnce();
  });

  it('settles nothing of a database that has rows of topics in memory, nor the other way round', async (context) => {
    const scene = await sceneOf(context, 1);
    const incarnation = '0123456789abcdef';
    const lease = await acquireWriterLease(scene.client, scene.app, incarnation, false);
    await lease.release();
    await expect(scene.start()).rejects.toMatchObject({ code: 'other-log' });
    const other = await sceneOf(context, 1);
    await other.start();
    await expect(acquireWriterLease(other.client, other.app, incarnation, false)).rejects.toMatchObject({
      code: 'other-log',
    });
  });

  it('refuses to begin anew where rows are but positions are gone, and names them all', async (context) => {
    const scene = await sceneOf(context, 2);
    await scene.writer.write(scene.streams, 10);
    const first = await scene.start();
    await scene.expectExactlyOnce();
    await first.stop(stopMs);
    const admin = clientOf(local.of(context)).admin();
    await admin.connect();
    await admin.deleteGroups([sinkGroup(scene.app)]);
    await admin.disconnect();
    const { topic } = scene.streams[0]!;
    const brokers = scene.connection.brokers.join(',');
    await expect(scene.start()).rejects.toMatchObject({
      code: 'position-lost',
      message: expect.stringMatching(
        new RegExp(
          `${topic}/0 up to offset 9\n.*${topic}/1 up to offset 9\n.* ${topic},0,10 ${topic},1,10 > positions.csv && ` +
            `kafka-consumer-groups --bootstrap-server ${brokers} --group ${sinkGroup(scene.app)} --reset-offsets --from-file`,
        ),
      ) as string,
    });
  });

  it.for<readonly [string, string]>([
    [intentTo(8), 'offsets 2 to 7: the promised batch cannot be made again'],
    [intentTo(80), 'offsets 2 to 79: the promised batch cannot be made again: the log ends at offset 11'],
  ])('stops where promised records are gone and says which: %s', async ([metadata, message], context) => {
    const scene = await sceneOf(context, 1);
    const kafka = local.of(context);
    await scene.writer.write(scene.streams, 10);
    const { topic } = scene.streams[0]!;
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 2, metadata });
    await deleteRecords(kafka, topic, ['5']);
    const sink = await scene.start();
    expect(await sink.failed).toMatchObject({
      code: 'intent-invalid',
      message: expect.stringContaining(message) as string,
    });
  });

  it('tells to go on after a promise whose rows are in when some of its records are gone', async (context) => {
    const scene = await sceneOf(context, 1);
    await scene.writer.write(scene.streams, 10);
    const first = await scene.start();
    await scene.expectExactlyOnce();
    await first.stop(stopMs);
    const { topic } = scene.streams[0]!;
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 2, metadata: intentTo(8) });
    await deleteRecords(local.of(context), topic, ['5']);
    // From the earliest on the rows of 5 to 7 would be inserted again.
    const second = await scene.start();
    expect(await second.failed).toMatchObject({
      code: 'intent-invalid',
      message: expect.stringContaining(
        `weir up stopped: kafka-consumer-groups --bootstrap-server ${scene.connection.brokers.join(',')} ` +
          `--group ${sinkGroup(scene.app)} --topic ${topic}:0 --reset-offsets --to-offset 8 --execute`,
      ) as string,
    });
    await second.stop(stopMs);

    // Of a promise of all, 6 was left out and 7 did not come.
    const table = `${scene.app}.${scene.streams[0]!.clickhouse.table}`;
    await scene.client.command({
      query: `ALTER TABLE ${table} DELETE WHERE _offset IN (6, 7) SETTINGS mutations_sync = 2`,
    });
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 2, metadata: intentTo(10, [6]) });
    const third = await scene.start();
    const { message } = await third.failed;
    expect(message).toContain(
      'have no row: offsets 6-7 (of them set aside as bad, without a dead letter yet: 6)',
    );
    const [, removal, again] = /^take these: (ALTER.*?);.* --to-offset (\d+) /m.exec(message)!;
    await third.stop(stopMs);
    await scene.client.command({ query: removal! });
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: Number(again), metadata: '' });
    await scene.start();
    await until(async () => (await scene.rows(`SELECT 1 FROM ${table}`)).length === 10);
    expect(await scene.rows(`SELECT _offset AS offset FROM ${table} ORDER BY offset`)).toEqual(
      Array.from({ length: 10 }, (_, offset) => ({ offset })),
    );
  });

  it('refuses to start where records are gone, names every partition and what to do', async (context) => {
    const scene = await sceneOf(context, 1, 1);
    await scene.writer.write(scene.streams, 10);
    const topics = scene.streams.map(({ topic }) => topic);
    for (const topic of topics) {
      await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 2, metadata: '' });
      await deleteRecords(local.of(context), topic, ['5']);
    }
    const gone = topics.map(
      (topic) => `offset 2 is not in the partition ${topic}/0 any more, its first is 5\n`,
    );
    await expect(scene.start()).rejects.toMatchObject({
      code: 'records-lost',
      message: expect.stringMatching(
        new RegExp(`${gone.join('')}.*--topic ${topics.join(':0 --topic ')}:0 --reset-offsets --to-earliest`),
      ) as string,
    });
  });
});

describe('bad records', () => {
  it('are found by halving, become one dead letter each, and their neighbours rows', async (context) => {
    const scene = await sceneOf(context, 2);
    const [stream] = scene.streams;
    await scene.client.command({
      query: `ALTER TABLE ${scene.app}.${stream!.clickhouse.table} ADD CONSTRAINT good CHECK count % 70 != 33`,
    });
    await scene.writer.write(scene.streams, 100);
    await scene.writer.writeRaw(stream!.topic, 0, Buffer.from('no event'));
    await scene.writer.write(scene.streams, 100);
    await scene.start();
    const audits = await scene.expectExactlyOnce();
    const ofStream = audits.filter(({ topic }) => topic === stream!.topic);
    // 33, 103, 173, 243, 313, 383 and the one that is no event.
    expect(ofStream.reduce((sum, { deadLetters: letters }) => sum + letters, 0)).toBe(7);
    const letters = await letterOrigins(scene, stream!.topic);
    expect({ letters: letters.length, distinct: new Set(letters).size }).toEqual({ letters: 7, distinct: 7 });
  });

  it('that are too large for a dead letter, or for the topic of dead letters, leave their bytes behind', async (context) => {
    const scene = await sceneOf(context, 1);
    const [stream] = scene.streams;
    await limitLetters(local.of(context), '4000');
    try {
      await scene.writer.writeRaw(stream!.topic, 0, Buffer.alloc(999_850, 'x'));
      await scene.writer.writeRaw(stream!.topic, 0, Buffer.concat([Buffer.from('x'), randomBytes(4_999)]));
      await scene.start();
      await scene.expectExactlyOnce();
    } finally {
      await limitLetters(local.of(context), '1048588');
    }
    const letters = await scene.rows(
      `SELECT source_key, value, reason FROM ${scene.app}.weir_dead_letters WHERE topic = '${stream!.topic}' ORDER BY offset`,
    );
    expect(letters).toEqual(
      [999_850, 5_000].map((bytes) => ({
        source_key: 'raw',
        value: null,
        reason: expect.stringContaining(`${bytes} bytes and its headers are left out`) as string,
      })),
    );
  });

  it('wait for their schema, and become rows when it is announced', async (context) => {
    const scene = await sceneOf(context, 1);
    const [stream] = scene.streams;
    const wider = withField(stream!, `seen_${scene.app}`);
    const writers = new WriterSchemas();
    const codec = eventCodec(wider, writers);
    await scene.writer.writeRaw(
      stream!.topic,
      0,
      codec.encode({ id: 'x', at: eventTimeMs, count: 1, [`seen_${scene.app}`]: 7 }),
    );
    // Longer than the test: without its schema it would be a dead letter in the end.
    const sink = await scene.start({ limits: { schemaWaitMs: 600_000 } });
    await sleep(1_000);
    expect((await sink.stats())[0]).toMatchObject({ rows: 0, deadLetters: 0 });
    await announce(local.of(context), writers);
    const audits = await scene.expectExactlyOnce();
    expect(audits[0]).toMatchObject({ present: 1, deadLetters: 0 });
  });
});

describe('ClickHouse', () => {
  it('may be away while a sink is started', async (context) => {
    const scene = await sceneOf(context, 1);
    await scene.writer.write(scene.streams, 50);
    // Killed, it might need longer to start again than a sink waits for it, where a machine is slow.
    const proxy = await startFaultyClickHouse(clickHouse.server.port);
    const client = openClient({ url: proxy.url });
    context.onTestFinished(async () => {
      await client.close();
      await proxy.close();
    });
    await proxy.refuse();
    await expect(client.query({ query: 'SELECT 1' })).rejects.toThrow();
    const starting = scene.start({ client });
    await sleep(1_000);
    await proxy.listen();
    await starting;
    await scene.expectExactlyOnce();
  });

  it('may be killed again and again', async (context) => {
    const scene = await sceneOf(context, 4);
    const load = startLoad(scene, 20);
    await scene.start();
    const killed = new Set<number>();
    for (let kills = 0; kills < 3; kills += 1) {
      await sleep(500 + Math.random() * 500);
      await until(() => !killed.has(clickHouse.server.pid()));
      const pid = clickHouse.server.pid();
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
      await sleep(2_500);
    }
    await load.stop();
    await until(() =>
      scene.rows('SELECT 1').then(
        () => true,
        () => false,
      ),
    );
    await scene.expectExactlyOnce();
  });
});

describe('the process of a sink', () => {
  it('may be killed at any moment', async (context) => {
    const scene = await sceneOf(context, 4, 2);
    await refuseSome(scene);
    const load = startLoad(scene, 20);
    for (let kills = 0; kills < 4; kills += 1) {
      const { child, ended, seen } = startSinkProcess(scene);
      // Some die while they take over.
      if (kills % 3 !== 0) await seen('ready');
      await sleep(Math.random() * 1_000);
      child.kill('SIGKILL');
      await ended;
    }
    await load.stop();
    const last = startSinkProcess(scene);
    await scene.expectExactlyOnce();
    // Before that it has no ear for the signal.
    await last.seen('ready');
    last.child.kill('SIGTERM');
    expect((await last.ended).stdout).toContain('stopped true');
    await expectEachLetterOnce(scene);
  }, 480_000);

  it('may be frozen past its session and thawed', async (context) => {
    const scene = await sceneOf(context, 4, 2);
    await refuseSome(scene);
    const load = startLoad(scene, 20);
    const zombie = startSinkProcess(scene);
    await zombie.seen('ready');
    await scene.start({ sessionTimeoutMs });
    for (let freezes = 0; freezes < 2; freezes += 1) {
      await sleep(700 + Math.random() * 700);
      zombie.child.kill('SIGSTOP');
      await sleep(2 * sessionTimeoutMs);
      zombie.child.kill('SIGCONT');
    }
    await load.stop();
    await scene.expectExactlyOnce();
    zombie.child.kill('SIGTERM');
    expect((await zombie.ended).stdout).toContain('stopped true');
    await expectEachLetterOnce(scene);
  }, 480_000);
});
