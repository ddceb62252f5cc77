/**
 * `weir produce`: events from lines of JSON, through the processors, into ClickHouse.
 *
 * I1  Every line ends as one event on its topic or as one dead letter with the line's bytes and the reason; blank lines
 *     are nothing.
 * I2  When the command returns 0, all of it is in ClickHouse.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { eventFromJson } from '#engine/codec/json-event.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { unplacedDeadLetterRecord } from '#engine/records/dead-letter.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { eventTimeMsOf, type Stream } from '#engine/topology/stream.ts';
import { CliError } from '../cli-error.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { linesOf } from '../lines.ts';
import { unknownName } from '../unknown-name.ts';
import type { Session } from '../session.ts';
import { addStackOptions, stackOptions, type StackCliOptions } from '../stack-options.ts';

interface ProduceOptions extends StackCliOptions {
  readonly strict: boolean;
}

interface Produced {
  readonly accepted: number;
  readonly refused: number;
  /** Dead letters that processors and the sink wrote about what was accepted. */
  readonly rejectedLater: number;
  /** Events that the table drops because they are older than it keeps. */
  readonly expired: number;
  /** Tasks that stopped on a bug. */
  readonly stopped: readonly string[];
  readonly isSettled: boolean;
  /** Read, blank ones too. */
  readonly lines: number;
}

/** Reasons printed on the screen; all of them are in the dead letters. */
const reasonsShown = 10;
const settleTimeoutMs = 600_000;

async function produce(topic: string, file: string, options: ProduceOptions, io: CliIo): Promise<void> {
  const { weirApp } = await import('../app.ts');
  const { allMigrations } = await import('../migrations.ts');
  const stream = weirApp.streams.find((s) => s.topic === topic);
  if (stream === undefined)
    throw unknownName(
      'topic',
      topic,
      weirApp.streams.map((s) => s.topic),
    );
  const source = await openSource(file);
  const { withSignals } = await import('../signals.ts');
  const { withStack } = await import('../session.ts');
  const config = { ...(await stackOptions(options)), app: weirApp, migrations: allMigrations() };
  await withSignals(io, async (signal) => {
    const { value, end } = await withStack(io, config, signal, (session) =>
      sendLines(session, stream, source, io, signal),
    ).finally(() => source.chunks.destroy());
    const { accepted, refused, rejectedLater, expired, lines } = value;
    io.stdout.write(`${accepted} events on ${topic}, ${refused} dead letters\n`);
    if (rejectedLater > 0)
      io.stderr.write(
        `weir: processors and the sink wrote ${rejectedLater} more dead letters about these events; see the table weir_dead_letters\n`,
      );
    if (expired > 0)
      io.stderr.write(
        `weir: ${expired} events are older than the ${stream.clickhouse.ttlDays ?? 0} days that the table ${stream.clickhouse.table} keeps: it drops them\n`,
      );
    if (signal.aborted) {
      const fate = end.kept === 0 ? 'they were delivered' : `${end.kept} records are kept for the next run`;
      throw new CliError('failure', `interrupted after ${lines} lines of ${source.name}; ${fate}`);
    }
    if (end.kept > 0)
      throw new CliError(
        'failure',
        `${end.kept} records did not reach ClickHouse in time; the next weir command on ${options.data} delivers them`,
      );
    if (value.stopped.length > 0)
      throw new CliError('failure', `tasks stopped on a bug: ${value.stopped.join(', ')}`);
    if (!value.isSettled)
      throw new CliError('failure', `not everything was processed within ${settleTimeoutMs / 1000} s`);
    if (options.strict && refused + rejectedLater + expired > 0) io.setExitCode(1);
  });
}

interface LineSource {
  readonly name: string;
  /** To be destroyed: a standard input that stays open keeps the process alive. */
  readonly chunks: Readable;
}

async function openSource(file: string): Promise<LineSource> {
  if (file === '-') return { name: 'stdin', chunks: process.stdin };
  try {
    // Not only files: a named pipe, or a shell's <(...), is fine.
    if ((await stat(file)).isDirectory()) throw new CliError('usage', `${file} is a directory, not a file`);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      'usage',
      `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  return { name: basename(file), chunks: createReadStream(file) };
}

async function sendLines(
  { stack, progress }: Session,
  stream: Stream<unknown>,
  source: LineSource,
  io: CliIo,
  signal: AbortSignal,
): Promise<Produced> {
  const letters = eventCodec(deadLetters, new WriterSchemas());
  const run = `${source.name}@${new Date(io.now()).toISOString()}`;
  let accepted = 0;
  let refused = 0;
  let expired = 0;
  let number = 0;
  const { ttlDays = Infinity } = stream.clickhouse;
  const keptSinceMs = io.now() - ttlDays * 86_400_000;
  for await (const line of linesOf(source.chunks as AsyncIterable<Buffer>, signal)) {
    number += 1;
    const text = line.toString('utf8');
    if (text.trim() === '') continue;
    const parsed = eventOf(stream, line, text);
    if (parsed.kind === 'event') {
      await stack.edge.publish(stream, parsed.event, { source: `/weir/produce/${run}`, id: String(number) });
      accepted += 1;
      if (eventTimeMsOf(stream, parsed.event) < keptSinceMs) expired += 1;
    } else {
      const origin = `${run}:${number}`;
      await stack.log.write([
        unplacedDeadLetterRecord(letters, {
          origin,
          topic: stream.topic,
          value: line,
          code: parsed.code,
          reason: `${source.name}, line ${number}: ${parsed.reason}`,
          failedAtMs: io.now(),
        }),
      ]);
      refused += 1;
      if (refused <= reasonsShown) progress.note(`line ${number}: ${parsed.reason}`);
      if (refused === reasonsShown + 1)
        progress.note('more lines were refused; all are in the table weir_dead_letters');
    }
    if (number % 1000 === 0) progress.update(`${accepted} events, ${refused} dead letters`);
  }
  progress.update(`${accepted} events, ${refused} dead letters; waiting for ClickHouse`);
  const isSettled = !signal.aborted && (await stack.settle(settleTimeoutMs));
  return {
    accepted,
    refused,
    rejectedLater: (stack.written().get(deadLetters.topic) ?? 0) - refused,
    expired,
    stopped: stack.runtime.errors.map(({ task }) => task),
    isSettled,
    lines: number,
  };
}

type Parsed =
  | { readonly kind: 'event'; readonly event: object }
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string };

function eventOf(stream: Stream<unknown>, line: Buffer, text: string): Parsed {
  // A byte that is no UTF-8 would be replaced silently.
  if (!Buffer.from(text, 'utf8').equals(line))
    return { kind: 'refused', code: 'not-utf8', reason: 'the line is not UTF-8' };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return {
      kind: 'refused',
      code: 'not-json',
      reason: `no JSON: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  try {
    return { kind: 'event', event: eventFromJson(stream, json) as object };
  } catch (error) {
    if (error instanceof Error && 'code' in error)
      return { kind: 'refused', code: String(error.code), reason: error.message };
    throw error;
  }
}

export function registerProduce(program: Command, io: CliIo): void {
  const command = program
    .command('produce')
    .argument('<topic>', 'topic to write to, for example migration.link-states')
    .argument('[file]', 'lines of JSON, one event each; - reads standard input', '-')
    .description(
      'Write events from lines of JSON to a topic, let the processors work on them, and deliver everything to ClickHouse. ' +
        'A line that is no event of the topic becomes a dead letter with its bytes and the reason.',
    )
    .option('--strict', 'exit with 1 if any line or event was refused', false);
  addStackOptions(command)
    .addHelpText(
      'after',
      examples([
        ['weir produce migration.link-states events.ndjson', 'events from a file'],
        ["jq -c '.[]' events.json | weir produce migration.link-states", 'from a pipe'],
      ]),
    )
    .action((topic: string, file: string, options: ProduceOptions) => produce(topic, file, options, io));
}
