/** What docs/producing-events.md shows is run as it is written, but for the addresses. Over TLS: client-secured.test.ts. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { freePorts } from '#local/kafka/free-port.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { announcedSchemas, createClientTopics, eventsOf } from './client.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';
import { blocksOf, root, runScript } from './producing-events.fixture.ts';

const local = kafkaForFile();
const run = promisify(execFile);

const addressed = (code: string, kafka: LocalKafka): string =>
  code.replaceAll('localhost:9092', kafka.bootstrapServers);

it('the client publishes, and announces for others', async (context) => {
  const kafka = local.of(context);
  await createClientTopics(kafka, [{ topic: linkStates.topic, partitions: 4 }]);
  await runScript(addressed(blocksOf('client')[0]!.code, kafka));
  const events = await eventsOf(kafka, linkStates.topic, linkStates);
  expect(events.map(({ event }) => event.path_epoch)).toEqual([7]);
  await runScript(addressed(blocksOf('announce')[0]!.code, kafka));
  expect((await announcedSchemas(kafka)).byConfluentId(42)?.name).toBe(linkStates.name);
});

it('a file of an event is one that librdkafka, and so kcat, can send', async (context) => {
  const kafka = local.of(context);
  const directory = mkdtempSync(join(tmpdir(), 'weir-event-'));
  try {
    const file = join(directory, 'event.avro');
    await runScript(blocksOf('encode')[0]!.code.replace("'event.avro'", JSON.stringify(file)));
    const producer = await TestProducer.connect(kafka.bootstrapServers);
    await createClientTopics(kafka, [{ topic: 'from-a-file' }]);
    await producer.write([
      { topic: 'from-a-file', partition: 0, key: Buffer.from('device-1'), value: readFileSync(file) },
    ]);
    await producer.close();
    const events = await eventsOf(kafka, 'from-a-file', linkStates);
    expect(events.map(({ event }) => event.path_epoch)).toEqual([8]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('curl gets the answers that are shown', async (context) => {
  const kafka = local.of(context);
  await createClientTopics(kafka, [{ topic: linkStates.topic, partitions: 4 }]);
  const before = (await eventsOf(kafka, linkStates.topic, linkStates)).length;
  const [port] = await freePorts('127.0.0.1', [], 1);
  const code = addressed(blocksOf('ingest')[0]!.code, kafka).replaceAll('8090', String(port));
  const server = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    stdio: 'inherit',
  });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  try {
    const giveUpAtMs = performance.now() + 20_000;
    while (!(await isHealthy(port!)) && performance.now() < giveUpAtMs) await sleep(50);
    const blocks = blocksOf('curl');
    expect(blocks).toHaveLength(2);
    for (const { code: command, json } of blocks) {
      const { stdout } = await run('bash', ['-c', command.replaceAll('8090', String(port))]);
      const answer = JSON.parse(stdout) as { readonly errors: readonly unknown[] };
      const shown = JSON.parse(json!) as { readonly errors: readonly unknown[] };
      expect({ ...answer, errors: answer.errors.slice(0, shown.errors.length) }).toEqual(shown);
    }
    expect(await eventsOf(kafka, linkStates.topic, linkStates)).toHaveLength(before + 1);
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
});

async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/v1/health`)).ok;
  } catch (error) {
    // Nothing listens yet.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
