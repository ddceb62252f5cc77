/** `weir dead-letters list` and `show`. They only read. */
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { SchemasFollower } from '#engine/kafka/driver/schemas-follower.ts';
import { weirApp } from '../app.ts';
import { CliError } from '../cli-error.ts';
import type { CliIo } from '../io.ts';
import type { TargetOptions } from '../kafka/targets.ts';
import { type ResultFormat, writeResult } from '../present/result.ts';
import { jsonText, type Result } from '../present/value.ts';
import { wholeNumber } from '../whole-number.ts';
import { describeLetter, letterCells } from './describe-letter.ts';
import { conditionOf, type FilterOptions } from './letter-filter.ts';
import { type LetterStore, requireTopic, withLetterStore } from './letter-store.ts';
import { fullLetters, type LetterLine, letterLines } from './read-letters.ts';

export interface ListOptions extends TargetOptions, FilterOptions {
  readonly limit: string;
  readonly format: ResultFormat;
}

export interface ShowOptions extends TargetOptions {
  readonly reader?: string;
  readonly format: ResultFormat;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Letters as a result, a row each. */
export function linesResult(lines: readonly LetterLine[], redriven: ReadonlyMap<string, number>): Result {
  const text = (name: string): { name: string; kind: 'text' } => ({ name, kind: 'text' });
  return {
    columns: [
      ...['failed_at', 'origin', 'reader', 'code'].map(text),
      { name: 'bytes', kind: 'number' },
      text('redriven_at'),
      text('reason'),
    ],
    rows: lines.map(({ failedAtMs, origin, reader, code, valueBytes, reason }) => {
      const atMs = redriven.get(origin);
      return [
        iso(failedAtMs),
        origin,
        reader,
        code,
        valueBytes,
        atMs === undefined ? null : iso(atMs),
        reason,
      ];
    }),
  };
}

export async function listLetters(options: ListOptions, io: CliIo): Promise<void> {
  const limit = wholeNumber(options.limit, '--limit', 1);
  const condition = conditionOf(options, Date.now());
  const { lines, redriven } = await withLetterStore(options, io, async (store) => {
    store.progress.update('reading dead letters');
    await requireTopic(store, options);
    const found = await letterLines(store.client, store.table, condition, limit + 1);
    return { lines: found, redriven: await store.redriven() };
  });
  writeResult(io, options.format, linesResult(lines.slice(0, limit), redriven));
  if (lines.length > limit)
    io.stderr.write(
      `weir: there are more than these ${limit}, which are the newest; --limit <number> shows more\n`,
    );
}

async function writersOf(store: LetterStore): Promise<WriterSchemas> {
  const writers = new WriterSchemas();
  const nothing = (): void => undefined;
  const follower = await SchemasFollower.start(await store.reader(), writers, nothing, nothing);
  await follower.stop();
  return writers;
}

export async function showLetter(origin: string, options: ShowOptions, io: CliIo): Promise<void> {
  const { letters, writers, redrivenAtMs } = await withLetterStore(options, io, async (store) => {
    store.progress.update('reading the dead letter');
    const all = await fullLetters(store.client, store.table, [origin]);
    return {
      letters: all.filter(({ reader }) => options.reader === undefined || reader === options.reader),
      writers: await writersOf(store),
      redrivenAtMs: (await store.redriven()).get(origin),
    };
  });
  if (letters.length === 0)
    throw new CliError(
      'failure',
      `there is no dead letter of ${origin}${options.reader === undefined ? '' : ` by reader '${options.reader}'`}`,
      {
        remedies: ['see which there are: weir dead-letters list'],
      },
    );
  const reading = (topic: string) => ({
    writers,
    stream: weirApp.streams.find((stream) => stream.topic === topic),
  });
  if (options.format === 'json') {
    const objects = letters.map((one) => jsonText(letterCells(one, reading(one.topic), redrivenAtMs)));
    io.stdout.write(`[\n  ${objects.join(',\n  ')}\n]\n`);
    return;
  }
  const texts = letters.map((one) => describeLetter(one, reading(one.topic), redrivenAtMs).join('\n'));
  io.stdout.write(`${texts.join('\n\n')}\n`);
}
