/**
 * The wall clock of a sink's process jumps by hours, forward and back, as `Date` sees it; intervals (`performance.now`, timers) do
 * not, as on a host whose clock is set. Nothing may depend on it.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openClient } from '#sinks/clickhouse/client.ts';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
import { acquireWriterLease } from '#sinks/clickhouse/writer-lease.ts';
import { startScript } from '../integration/cli-process.fixture.ts';
import {
  newDirectory,
  startTestServer,
  type TestServer,
  until,
} from '../integration/embedded-clickhouse.fixture.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import { expectEachLetterOnce, openScene, refuseSome, startLoad } from '../integration/kafka-sink.fixture.ts';
import { startSinkProcess } from '../integration/kafka-sink-process.fixture.ts';

const hourMs = 3_600_000;
/** A machine may stand still for less: then the sink stays in its group. */
const sessionTimeoutMs = 5_000;
const jumps = [5, -9, 48, -48, 1_000, 0].map((hours) => hours * hourMs);
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': String(sessionTimeoutMs) } });
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

/** Statements that make a process's clock jump by what is in a file, as soon as it is there. */
const jumping = (file: string): string => `
import { readFileSync } from 'node:fs';
const TrueDate = Date;
let shiftMs = 0;
const look = () => {
  const found = Number(readFileSync(${JSON.stringify(file)}, 'utf8'));
  if (found !== shiftMs) console.log('jumped to', found);
  shiftMs = found;
};
look();
setInterval(look, 20).unref();
globalThis.Date = class extends TrueDate {
  constructor(...parts) {
    if (parts.length === 0) super(TrueDate.now() + shiftMs);
    else super(...parts);
  }
  static now() {
    return TrueDate.now() + shiftMs;
  }
};
`;

async function clockFile(): Promise<{ file: string; set: (shiftMs: number) => Promise<void> }> {
  const directory = await newDirectory();
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'shift');
  const set = async (shiftMs: number): Promise<void> => {
    await writeFile(`${file}.new`, String(shiftMs));
    await rename(`${file}.new`, file);
  };
  await set(0);
  return { file, set };
}

it('a sink goes on, stays in its group, and loses and doubles nothing', async (context) => {
  const scene = await openScene(local.of(context), clickHouse.server.url, [4, 2]);
  onTestFinished(() => scene.close());
  await refuseSome(scene);
  const { file, set } = await clockFile();
  const { child, ended, seen } = startSinkProcess(scene, { prelude: jumping(file), sessionTimeoutMs });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await seen('ready');
  const first = startLoad(scene, 20);
  const rows = async (): Promise<number> => {
    const counts = scene.streams.map(
      ({ clickhouse }) => `(SELECT count() FROM ${scene.app}.${clickhouse.table})`,
    );
    return Number(await clickHouse.sql(`SELECT ${counts.join(' + ')}`));
  };
  await until(async () => (await rows()) > 0);
  await first.stop();
  const admin = clientOf(local.of(context)).admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  const members = async (): Promise<readonly string[]> => {
    const { groups } = await admin.describeGroups([sinkGroup(scene.app)]);
    return groups[0]!.members.map(({ memberId }) => memberId);
  };
  const [member] = await members();
  for (const shiftMs of jumps) {
    await set(shiftMs);
    await seen(`jumped to ${shiftMs}`);
    // Without records nothing but heartbeats keeps the member in: commits would, too.
    await sleep(1.1 * sessionTimeoutMs);
    expect({ shiftMs, members: await members() }).toEqual({ shiftMs, members: [member] });
    const load = startLoad(scene, 20);
    for (let batches = 0; batches < 5; batches += 1) {
      const before = await rows();
      // Small batches go by time: 100 ms after their first record.
      await until(async () => (await rows()) > before);
    }
    await load.stop();
  }
  expect(await members()).toEqual([member]);
  await scene.expectExactlyOnce();
  await expectEachLetterOnce(scene);
  child.kill('SIGTERM');
  const { stdout } = await ended;
  expect(stdout).toContain('stopped true');
  expect(stdout).not.toMatch(/^failed /m);
});

it('a run keeps its lease on a database, and others are refused it', async () => {
  const { file, set } = await clockFile();
  const { url } = clickHouse.server;
  const database = 'leased';
  await clickHouse.sql(`CREATE DATABASE ${database}`);
  const holder = startScript(`
import { openClient } from '$DIST/sinks/clickhouse/client.js';
import { acquireWriterLease } from '$DIST/sinks/clickhouse/writer-lease.js';
${jumping(file)}
const lease = await acquireWriterLease(openClient({ url: ${JSON.stringify(url)} }), '${database}', '00000000000000aa', false);
lease.lost.then((error) => console.log('lost', error.message));
setInterval(() => undefined, 1_000);
console.log('held');
`);
  onTestFinished(() => {
    holder.child.kill('SIGKILL');
  });
  await holder.seen('held');
  const client = openClient({ url });
  onTestFinished(() => client.close());
  // The lease is one of 15 s: it lasts only if it is renewed at whatever time it is.
  for (const hours of [-30, 30]) {
    await set(hours * hourMs);
    await sleep(17_000);
    await expect(acquireWriterLease(client, database, '00000000000000bb', false)).rejects.toMatchObject({
      code: 'not-only-writer',
    });
  }
  expect(holder.output()).not.toContain('lost');
  holder.child.kill('SIGKILL');
  await holder.ended;
  const mine = await acquireWriterLease(client, database, '00000000000000bb', false);
  await mine.release();
});
