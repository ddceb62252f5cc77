/** An embedded run with agents and simulation, from the first line on the screen to the last report. */
import { commands } from '#schemas/migration/generated.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { CliError } from './cli-error.ts';
import { writeClosing } from './closing.ts';
import { topicsAndTables } from './demo-summary.ts';
import type { CliIo } from './io.ts';
import { withStack, type Session } from './session.ts';
import { withSignals } from './signals.ts';
import { startSources, type SourcesConfig } from './sources.ts';
import type { StackOptions } from './stack.ts';
import { passed } from './passed.ts';

export interface Demonstration {
  readonly stack: Omit<StackOptions, 'onNote'>;
  readonly sources: Omit<SourcesConfig, 'onNote'>;
  readonly durationMs: number;
}

const settleMs = 60_000;
/** After Ctrl-C everything must be over within 5 s, and the work within less (session.ts). */
const settleAfterSignalMs = 1_500;
const progressEveryMs = 500;

export async function demonstrate(io: CliIo, demonstration: Demonstration): Promise<void> {
  await withSignals(io, async (signal) => {
    const { end } = await withStack(io, demonstration.stack, signal, (session) =>
      run(io, session, demonstration, signal),
    );
    const { recordInto, dataDir } = demonstration.stack;
    if (end.recording !== undefined && recordInto !== undefined) {
      io.stdout.write(`\nrecorded in ${recordInto}; replay it with: weir replay ${recordInto}\n`);
    }
    if (end.kept > 0)
      throw new CliError(
        'failure',
        `${end.kept} records did not reach ClickHouse; the next weir command on ${dataDir} delivers them`,
      );
  });
}

async function run(
  io: CliIo,
  session: Session,
  demonstration: Demonstration,
  signal: AbortSignal,
): Promise<void> {
  const { stack, progress } = session;
  const database =
    demonstration.stack.database === 'default' ? '' : `?database=${demonstration.stack.database}`;
  io.stdout.write(
    `ClickHouse: ${stack.url}\n  try: curl '${stack.url}/${database}' --data 'SELECT * FROM migration_transitions LIMIT 5 FORMAT PrettyCompact'\n`,
  );
  const startedMs = io.now();
  const sources = startSources(stack.edge, {
    ...demonstration.sources,
    onNote: (note) => {
      progress.note(`weir: ${note}`);
    },
  });
  const over = new AbortController();
  try {
    const showing = setInterval(() => {
      progress.update(headline(stack.written(), demonstration.durationMs));
    }, progressEveryMs);
    try {
      const end = passed(demonstration.durationMs, AbortSignal.any([signal, over.signal]));
      await Promise.race([end, sources.failed, stack.failed]);
    } finally {
      clearInterval(showing);
      over.abort();
    }
  } finally {
    progress.update('stopping agents and simulation');
    await sources.stop(signal);
  }
  progress.update('waiting until everything is in ClickHouse');
  const isSettled = await stack.settle(signal.aborted ? settleAfterSignalMs : settleMs);
  progress.stop();
  // A ClickHouse that does not take rows would not answer questions either.
  if (isSettled) await summarize(io, session, startedMs, demonstration.stack);
  else if (signal.aborted)
    progress.note(
      `weir: no summary: ClickHouse did not take everything within ${settleAfterSignalMs / 1000} s of the signal`,
    );
  const stopped = stack.runtime.errors;
  if (stopped.length > 0)
    throw new CliError('failure', `tasks stopped on a bug: ${stopped.map(({ task }) => task).join(', ')}`);
  if (!isSettled && !signal.aborted)
    throw new CliError('failure', `ClickHouse did not take everything within ${settleMs / 1000} s`);
}

async function summarize(
  io: CliIo,
  { stack }: Session,
  startedMs: number,
  options: Demonstration['stack'],
): Promise<void> {
  const written = stack.written();
  await writeClosing(io, stack.client, {
    startedMs,
    events: await topicsAndTables(stack),
    deadLetters: written.get(deadLetters.topic) ?? 0,
    reportOptions:
      options.server === undefined && options.dataDir !== '.weir/data' ? ` --data ${options.dataDir}` : '',
  });
}

function headline(written: ReadonlyMap<string, number>, durationMs: number): string {
  const total = [...written.values()].reduce((sum, n) => sum + n, 0);
  const until = Number.isFinite(durationMs) ? `of ${Math.round(durationMs / 1000)} s` : 'until Ctrl-C';
  return `running ${until}: ${total} events, ${written.get(commands.topic) ?? 0} commands, ${written.get(deadLetters.topic) ?? 0} dead letters`;
}
