import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { avroType } from '../codec/avro-type.ts';
import { journalChunkSchema } from '../records/generated.ts';
import { openRecording, type Recording } from './recording-reader.ts';
import { RecordingWriter } from './recording-writer.ts';
import type { RecordingManifest } from './recording.ts';
import { expectIdentical, replayRecording } from './replay-recording.ts';
import { replayedApp, storyEvents } from './scenario.fixture.ts';
import { runScenario } from './scenario.ts';

const journalType = avroType(journalChunkSchema.schema);
const parameters = { 'test.summing': { alarmAt: 70 } };
const scenario = runScenario({ app: replayedApp, events: storyEvents(8, 300), runOnMs: 5_000, parameters });

let parent = '';
let directory = '';
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'weir-recording-'));
  directory = join(parent, 'recording');
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

async function started(recording: Recording): Promise<RecordingWriter> {
  const writer = await RecordingWriter.create(directory, 'test', parameters);
  const partitions = new Map<string, number>();
  for (const { topic } of recording.manifest.topics) partitions.set(topic, (partitions.get(topic) ?? 0) + 1);
  for (const [topic, count] of partitions) await writer.addTopic(topic, count);
  for (const task of recording.manifest.tasks) await writer.addTask(task, []);
  return writer;
}

async function fed(writer: RecordingWriter, recording: Recording): Promise<void> {
  for (const { topic, partition } of recording.manifest.topics) {
    writer.records(topic, partition, await recording.records(topic, partition));
  }
  for (const { processor, partition } of recording.manifest.tasks) {
    const { journal } = await recording.task(processor, partition);
    const half = Math.floor(journal.length / 2);
    [journal.slice(0, half), journal.slice(half)].forEach((entries, seq) => {
      writer.journal(processor, partition, journalType.toBuffer({ seq, entries }));
    });
  }
}

async function written(): Promise<RecordingManifest> {
  const writer = await started(scenario);
  await fed(writer, scenario);
  return writer.finish(scenario.writers, 1_700_000_000_000);
}

describe('a recording on disk', () => {
  test('comes back as it was and replays to the byte', async () => {
    const manifest = await written();
    expect(manifest.finishedAt).toBe('2023-11-14T22:13:20.000Z');
    const opened = await openRecording(directory);
    expect(opened.manifest.parameters).toEqual(parameters);
    for (const { topic, partition } of scenario.manifest.topics) {
      const plain = (await scenario.records(topic, partition)).map(({ headers, ...rest }) => ({
        ...rest,
        headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      }));
      const read = (await opened.records(topic, partition)).map(({ headers, ...rest }) => ({
        ...rest,
        headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      }));
      expect(read).toEqual(plain);
    }
    for (const { processor, partition } of scenario.manifest.tasks) {
      const { journal } = await scenario.task(processor, partition);
      expect((await opened.task(processor, partition)).journal).toEqual(journal);
    }
    const replayed = await replayRecording(opened, { app: replayedApp });
    expectIdentical(replayed);
    expect(replayed.every((task) => task.outputs.length > 0)).toBe(true);
    expect(await opened.records('nowhere', 0)).toEqual([]);
    await expect(opened.task('test.nowhere', 0)).rejects.toThrow(/has no task test\.nowhere\/0/);
  });

  test('keeps headers with several values and values of bytes', async () => {
    const writer = await RecordingWriter.create(directory, 'test', {});
    await writer.addTopic('t', 1);
    const bytes = Buffer.from([0, 255, 10]);
    const record = {
      offset: 41,
      key: null,
      value: null,
      timestampMs: -1,
      headers: { one: 'text', several: ['a', bytes], bytes },
    };
    writer.records('t', 0, [
      record,
      { ...record, offset: 45, key: bytes, value: Buffer.alloc(0), headers: {} },
    ]);
    await writer.finish(scenario.writers, 0);
    const opened = await openRecording(directory);
    expect(await opened.records('t', 0)).toEqual([
      { ...record, headers: { one: Buffer.from('text'), several: [Buffer.from('a'), bytes], bytes } },
      { ...record, offset: 45, key: bytes, value: Buffer.alloc(0), headers: {} },
    ]);
  });
});

describe('a recording that is not whole is refused before anything is replayed', () => {
  test('every missing file is named', async () => {
    await written();
    rmSync(join(directory, 'topics/test.sums/0.avro'));
    rmSync(join(directory, 'tasks/test.watching/0.journal.avro'));
    await expect(openRecording(directory)).rejects.toMatchObject({
      code: 'recording',
      message: expect.stringMatching(
        /recording is not whole; missing: topics\/test\.sums\/0\.avro, tasks\/test\.watching\/0\.journal\.avro\. Copy/,
      ) as string,
    });
  });

  test.each([0, 10, 200])('a file cut off after %i bytes is named', async (bytes) => {
    await written();
    const file = join(directory, 'topics/test.readings/0.avro');
    truncateSync(file, bytes);
    const opened = await openRecording(directory);
    await expect(opened.records('test.readings', 0)).rejects.toThrow(file);
    await expect(replayRecording(opened, { app: replayedApp })).rejects.toThrow(file);
  });

  test('a file cut off by its last bytes is named', async () => {
    await written();
    const file = join(directory, 'tasks/test.summing/0.journal.avro');
    truncateSync(file, readFileSync(file).length - 5);
    const opened = await openRecording(directory);
    await expect(opened.task('test.summing', 0)).rejects.toThrow(file);
  });

  test.each<[string, (manifest: string) => string | undefined, RegExp]>([
    ['no manifest', () => undefined, /is no complete recording: it has no recording\.json/],
    ['a manifest cut off', (text) => text.slice(0, 100), /recording\.json is damaged/],
    [
      'a manifest of another format',
      (text) => text.replace('"format": 1', '"format": 2'),
      /is of format 2; this Weir reads format 1/,
    ],
    ['a manifest that is null', () => 'null', /is of format undefined/],
    [
      'a manifest without tasks',
      () => '{"format": 1, "topics": []}',
      /is damaged: topics, tasks, schemas or parameters are missing/,
    ],
  ])('%s', async (_, change, message) => {
    await written();
    const path = join(directory, 'recording.json');
    const text = change(readFileSync(path, 'utf8'));
    if (text === undefined) rmSync(path);
    else writeFileSync(path, text);
    await expect(openRecording(directory)).rejects.toThrow(message);
  });

  test('a journal that wants a record which is not there names task, offset and input', async () => {
    const opened: Recording = {
      ...scenario,
      records: async (topic, partition) =>
        (await scenario.records(topic, partition)).filter(
          ({ offset }) => topic !== 'test.readings' || offset !== 7,
        ),
    };
    await expect(replayRecording(opened, { app: replayedApp })).rejects.toThrow(
      /task test\.summing-0: the journal wants offset 7 of input 0, partition 0, which is not recorded/,
    );
  });
});

describe('what cannot be written', () => {
  test('a directory with something in it is refused and left alone', async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'mine'), 'x');
    await expect(RecordingWriter.create(directory, 'test', {})).rejects.toThrow(`${directory} is not empty`);
    expect(readdirSync(directory)).toEqual(['mine']);
  });

  test('a directory that cannot be made is named', async () => {
    writeFileSync(directory, 'a file');
    await expect(RecordingWriter.create(join(directory, 'below'), 'test', {})).rejects.toMatchObject({
      code: 'recording',
      message: expect.stringContaining(`cannot record into ${join(directory, 'below')}`) as string,
    });
  });

  test('a directory of a topic that cannot be made is named', async () => {
    const writer = await RecordingWriter.create(directory, 'test', {});
    writeFileSync(join(directory, 'topics'), 'a file');
    await expect(writer.addTopic('t', 1)).rejects.toMatchObject({
      code: 'recording',
      message: expect.stringContaining(join(directory, 'topics/t/0.avro')) as string,
    });
  });

  test('a file that cannot be written ends the recording, not the run, and is told at the end', async () => {
    const writer = await RecordingWriter.create(directory, 'test', parameters);
    mkdirSync(join(directory, 'topics/test.sums'), { recursive: true });
    symlinkSync('/dev/full', join(directory, 'topics/test.sums/0.avro'));
    await writer.addTopic('test.sums', 1);
    await writer.addTopic('test.readings', 1);
    for (let i = 0; i < 20; i += 1) {
      writer.records('test.sums', 0, await scenario.records('test.sums', 0));
      writer.records('test.readings', 0, await scenario.records('test.readings', 0));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const finished = writer.finish(scenario.writers, 0);
    await expect(finished).rejects.toMatchObject({
      code: 'recording',
      message: expect.stringContaining(join(directory, 'topics/test.sums/0.avro')) as string,
    });
    expect(writer.error).toBeDefined();
    expect(existsSync(join(directory, 'recording.json'))).toBe(false);
  });

  test('files removed while they were written are noticed at the end', async () => {
    const writer = await started(scenario);
    await fed(writer, scenario);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // A file that is made meanwhile stands in its way.
    rmSync(directory, { recursive: true, maxRetries: 9 });
    await expect(writer.finish(scenario.writers, 0)).rejects.toThrow(
      /was removed while it was written|cannot write/,
    );
    expect(existsSync(join(directory, 'recording.json'))).toBe(false);
  });

  test('a record of a topic and a journal of a task that are not part of it end the recording', async () => {
    for (const wrong of [
      (writer: RecordingWriter) => {
        writer.records('nowhere', 0, []);
      },
      (writer: RecordingWriter) => {
        writer.journal('test.nowhere', 0, journalType.toBuffer({ seq: 0, entries: [] }));
      },
    ]) {
      rmSync(directory, { recursive: true, force: true });
      const writer = await started(scenario);
      wrong(writer);
      await expect(writer.finish(scenario.writers, 0)).rejects.toThrow(
        /nowhere\/0 is not part of this recording/,
      );
    }
  });
});
