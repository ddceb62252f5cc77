/** What docs/producing-events.md shows is run as it is written, but for the addresses. Over TLS: client-secured.test.ts. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
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
  // On a port that is free, which it tells; and patient, for a machine that is slow.
  const patience = 'limits: { ackTimeoutMs: 60_000, troubleAfterMs: 60_000 }';
  const shown = addressed(blocksOf('ingest')[0]!.code, kafka);
  const code = `${shown.replace('port: 8090', `port: 0, ${patience}`)}\nconsole.log(ingest.port);`;
  const server = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  try {
    const port = await firstLineOf(server);
    const blocks = blocksOf('curl');
    expect(blocks).toHaveLength(2);
    for (const { code: command, json } of blocks) {
      const { stdout } = await run('bash', ['-c', command.replaceAll('8090', port)]);
      const answer = JSON.parse(stdout) as { readonly errors: readonly unknown[] };
      const told = JSON.parse(json!) as { readonly errors: readonly unknown[] };
      expect({ ...answer, errors: answer.errors.slice(0, told.errors.length) }).toEqual(told);
    }
    expect(await eventsOf(kafka, linkStates.topic, linkStates)).toHaveLength(before + 1);
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
});

/** What a program tells first on stdout. */
function firstLineOf({ stdout }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: stdout! })
      .once('line', resolve)
      .once('close', () => {
        reject(new Error('it ended without a line on stdout: see its stderr'));
      });
  });
}
