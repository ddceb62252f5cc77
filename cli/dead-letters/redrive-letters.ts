/** `weir dead-letters redrive`: says what it will do, then does it, each record once (client/redrive/redrive.ts). */
import { redrive, type RedriveResult } from '#client/redrive/redrive.ts';
import { weirApp } from '../app.ts';
import { CliError } from '../cli-error.ts';
import type { CliIo } from '../io.ts';
import type { TargetOptions } from '../kafka/targets.ts';
import { conditionOf, type FilterOptions, isEmptyFilter } from './letter-filter.ts';
import { type LetterStore, requireTopic, withLetterStore } from './letter-store.ts';
import { fullLetters, letterLines, redrivable } from './read-letters.ts';

export interface RedriveOptions extends TargetOptions, FilterOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly renewTime?: boolean;
}

/** What would be done, before anything is. */
export interface Plan {
  /** Not redriven yet. */
  readonly origins: readonly string[];
  readonly already: number;
}

const maxShownRefusals = 20;

export async function redriveLetters(
  origins: readonly string[],
  options: RedriveOptions,
  io: CliIo,
): Promise<void> {
  refuseUnclear(origins, options);
  const condition = conditionOf(options, Date.now());
  await withLetterStore(options, io, async (store) => {
    store.progress.update('reading dead letters');
    await requireTopic(store, options);
    const found =
      origins.length > 0
        ? await named(store, origins)
        : (await letterLines(store.client, store.table, condition)).map(({ origin }) => origin);
    const redriven = await store.redriven();
    const distinct = [...new Set(found)];
    const fresh = distinct.filter((origin) => !redriven.has(origin));
    const plan = { origins: fresh, already: distinct.length - fresh.length };
    for (const line of planLines(plan)) store.progress.note(line);
    if (options.dryRun === true) {
      for (const origin of plan.origins) io.stdout.write(`${origin}\n`);
      return;
    }
    if (plan.origins.length === 0) return;
    if (plan.origins.length > 1 && options.yes !== true)
      throw new CliError('usage', `${plan.origins.length} records would be written; nothing was`, {
        remedies: ['to write them: --yes', 'to see which they are: --dry-run'],
      });
    report(await run(store, plan.origins, options.renewTime === true), plan.origins.length, store, io);
  });
}

function refuseUnclear(origins: readonly string[], options: RedriveOptions): void {
  const isFiltered = !isEmptyFilter(options);
  const ways = [origins.length > 0, isFiltered, options.all === true].filter(Boolean).length;
  if (ways === 1) return;
  throw new CliError(
    'usage',
    ways === 0
      ? 'redrive: nothing says which dead letters'
      : 'redrive: name origins, or filter, or say --all; not several of them',
    {
      remedies: [
        'one: weir dead-letters redrive <topic>/<partition>/<offset>',
        'some: weir dead-letters redrive --topic <name> --code <code>',
        'all: weir dead-letters redrive --all',
      ],
    },
  );
}

async function named(store: LetterStore, origins: readonly string[]): Promise<readonly string[]> {
  const found = new Set((await fullLetters(store.client, store.table, origins)).map(({ origin }) => origin));
  const unknown = origins.filter((origin) => !found.has(origin));
  if (unknown.length > 0)
    throw new CliError('failure', `there is no dead letter of ${unknown.join(', ')}; nothing was redriven`, {
      remedies: ['see which there are: weir dead-letters list'],
    });
  return origins;
}

/** What will be done, in words. */
export function planLines({ origins, already }: Plan): string[] {
  const topics = new Map<string, number>();
  for (const origin of origins) {
    const topic = /^(.+)\/\d+\/\d+$/.exec(origin)?.[1] ?? 'no topic: these are refused';
    topics.set(topic, (topics.get(topic) ?? 0) + 1);
  }
  const tables = weirApp.streams.filter(({ topic, kind }) => kind === 'table' && topics.has(topic));
  return [
    `weir: ${origins.length} to redrive, ${already} redriven before`,
    ...[...topics].map(([topic, count]) => `  ${count} to ${topic}`),
    ...(origins.length === 0
      ? []
      : [
          '  each goes to the end of its partition; every reader of the topic sees it, also those that had no trouble with it',
        ]),
    ...tables.map(
      ({ topic }) => `  ${topic} is a table: a value that is redriven replaces a newer one of its key`,
    ),
  ];
}

function run(store: LetterStore, origins: readonly string[], renewsTime: boolean): Promise<RedriveResult> {
  const { client, table, connection, progress, signal } = store;
  return redrive({
    connection,
    letters: redrivable(client, table, origins),
    renewsTime,
    onProgress: ({ redriven, already, refused }) => {
      progress.update(`redriven ${redriven + already} of ${origins.length}, refused ${refused.length}`);
    },
    signal,
  });
}

function report(
  { redriven, already, refused }: RedriveResult,
  wanted: number,
  store: LetterStore,
  io: CliIo,
): void {
  store.progress.stop();
  for (const { origin, reason } of refused.slice(0, maxShownRefusals))
    io.stderr.write(`weir: ${origin}: not redriven: ${reason}\n`);
  if (refused.length > maxShownRefusals)
    io.stderr.write(`weir: and ${refused.length - maxShownRefusals} more\n`);
  const left = wanted - redriven - already - refused.length;
  io.stdout.write(
    `redriven: ${redriven}, redriven by others meanwhile: ${already}, refused: ${refused.length}` +
      `${left > 0 ? `, left: ${left}` : ''}\n`,
  );
  if (refused.length > 0 || left > 0)
    throw new CliError('failure', `${refused.length + left} of ${wanted} dead letters are not redriven`, {
      remedies: ['the same command again does those that are left, and none twice'],
    });
}
