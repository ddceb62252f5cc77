/** Apache Kafka as Weir starts it on this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaJSProtocolError } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { type LocalKafka, startKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { isAlive } from './weir.fixture.ts';

const local = kafkaForFile();

async function produce(kafka: LocalKafka, topic: string, values: readonly string[]): Promise<void> {
  const producer = clientOf(kafka).producer({ idempotent: true, createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic, messages: values.map((value) => ({ value })) });
  await producer.disconnect();
}

/** kafkajs does not repeat a join that came while the group's coordinator was loading. */
async function readAll(kafka: LocalKafka, topic: string, count: number): Promise<string[]> {
  for (;;) {
    try {
      return await readOnce(kafka, topic, count);
    } catch (error) {
      if (!(error instanceof KafkaJSProtocolError && error.retriable)) throw error;
    }
  }
}

async function readOnce(kafka: LocalKafka, topic: string, count: number): Promise<string[]> {
  const consumer = clientOf(kafka).consumer({ groupId: `read-${topic}-${count}` });
  const values: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  try {
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: ({ message }) => {
            values.push(message.value!.toString());
            if (values.length >= count) resolve();
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return values;
}

describe('a local Kafka', () => {
  it('gives back what was produced, also after a broker was killed and restarted', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'kept' }]);
    await produce(kafka, 'kept', ['a', 'b']);
    expect(await readAll(kafka, 'kept', 2)).toEqual(['a', 'b']);

    const [broker] = kafka.brokers;
    const firstPid = broker!.pid;
    await broker!.kill();
    expect(isAlive(firstPid)).toBe(false);
    await broker!.restart();
    expect(broker!.pid).not.toBe(firstPid);
    await produce(kafka, 'kept', ['c']);
    expect(await readAll(kafka, 'kept', 3)).toEqual(['a', 'b', 'c']);
  });

  it('answers nothing while a broker is frozen, and goes on once it is thawed', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'frozen' }]);
    const [broker] = kafka.brokers;
    broker!.pause();
    const produced = produce(kafka, 'frozen', ['late']);
    expect(await Promise.race([produced.then(() => 'produced'), sleep(700, 'nothing')])).toBe('nothing');
    broker!.resume();
    await produced;
    expect(await readAll(kafka, 'frozen', 1)).toEqual(['late']);
  });

  it('creates no topic that nobody asked for', async (context) => {
    const kafka = local.of(context);
    const producer = clientOf(kafka).producer({ retry: { retries: 1 }, createPartitioner: () => () => 0 });
    await producer.connect();
    const sent = producer.send({ topic: 'not-created', messages: [{ value: 'x' }] });
    await expect(sent).rejects.toThrow('does not host this topic-partition');
    await producer.disconnect();
  });

  it('names the port that is taken', async (context) => {
    local.of(context);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(startKafka({ ports: [port] })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
    taken.close();
  });

  it('says what is wrong with its properties', async (context) => {
    local.of(context);
    await expect(startKafka({ properties: { 'num.io.threads': 'many' } })).rejects.toMatchObject({
      code: 'format',
      message: expect.stringContaining('num.io.threads') as string,
    });
  });
});

describe('a local Kafka with a data directory', () => {
  it("shows the end of a broker's log when it does not start", async (context) => {
    local.of(context);
    const properties = { 'metric.reporters': 'no.such.Reporter' };
    await expect(startKafka({ properties })).rejects.toMatchObject({
      code: 'start',
      message: expect.stringMatching(
        /Kafka broker 1 .* ended by exit code 1 .*no\.such\.Reporter/s,
      ) as string,
    });
  });

  it('keeps its data from one run to the next', async (context) => {
    local.of(context);
    const dataDir = await mkdtemp(join(tmpdir(), 'weir-kafka-test-'));
    try {
      // It may take as long as it likes: one that is ended by force does not say this.
      const first = await startKafka({ dataDir, stopTimeoutMs: 60_000 });
      await createTopics(first, [{ topic: 'lasting' }]);
      await produce(first, 'lasting', ['one']);
      await first.stop();
      expect(await readFile(first.brokers[0]!.logPath, 'utf8')).toContain('shut down completed');

      const second = await startKafka({ dataDir });
      expect(await readAll(second, 'lasting', 1)).toEqual(['one']);
      await expect(startKafka({ dataDir })).rejects.toMatchObject({ code: 'data-dir-in-use' });
      await second.stop();
      await second.stop();
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

describe('a local Kafka of three nodes', () => {
  it('ends with the process that started it, and takes its temporary data along', async (context) => {
    local.of(context);
    const entry = new URL('../../dist/local/kafka/start-kafka.js', import.meta.url).href;
    const program = `
      const { startKafka } = await import(${JSON.stringify(entry)});
      const { brokers } = await startKafka({ nodes: 3 });
      console.log(JSON.stringify({ pids: brokers.map((b) => b.pid), logPath: brokers[0].logPath }));
      setInterval(() => {}, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { pids, logPath } = JSON.parse(line.toString()) as { pids: number[]; logPath: string };
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    child.kill('SIGKILL');
    const root = dirname(dirname(logPath));
    for (let i = 0; i < 600 && (pids.some(isAlive) || existsSync(root)); i++) await sleep(100);
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    expect(existsSync(root)).toBe(false);
  });
});
