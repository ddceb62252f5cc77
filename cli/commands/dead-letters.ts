/** `weir dead-letters`: what could not be processed: list it, look at it, and write it back to its topic. */
import { type Command, Option } from 'commander';
import { addConnectionOptions, localDataDir } from '../connection-options.ts';
import { addFilterOptions } from '../dead-letters/letter-filter.ts';
import type { ListOptions, ShowOptions } from '../dead-letters/look-at-letters.ts';
import type { RedriveOptions } from '../dead-letters/redrive-letters.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { formatOption } from '../present/result.ts';

function addTargets(command: Command): Command {
  return addConnectionOptions(
    command
      .option(
        '--brokers <host:port,...>',
        "Kafka's brokers; other settings come from the environment or the file",
      )
      .option('--config <file>', 'settings (default: weir.config.json where it exists)'),
    { data: localDataDir, dataMeans: 'data directory of the local stack' },
  );
}

function addList(parent: Command, io: CliIo): void {
  addTargets(addFilterOptions(parent.command('list')))
    .description(
      'List dead letters, the newest first, with the time at which they were redriven, if they were.',
    )
    .option('--limit <number>', 'how many at most', '100')
    .addOption(formatOption())
    .addHelpText(
      'after',
      examples([
        ['weir dead-letters list --since 2h --code rejected', 'what handlers refused in the last two hours'],
      ]),
    )
    .action(async (options: ListOptions) => {
      const { listLetters } = await import('../dead-letters/look-at-letters.ts');
      await listLetters(options, io);
    });
}

function addShow(parent: Command, io: CliIo): void {
  addTargets(parent.command('show <origin>'))
    .description(
      'Show all of a dead letter: place, reason, headers, and the bytes, as text and as the event as far as they can be read.',
    )
    .option('--reader <name>', 'of this reader only, where several could not process the record')
    .addOption(
      new Option('--format <format>', 'form of the result').choices(['table', 'json']).default('table'),
    )
    .addHelpText('after', examples([['weir dead-letters show migration.link-states/0/17', 'all of one']]))
    .action(async (origin: string, options: ShowOptions) => {
      const { showLetter } = await import('../dead-letters/look-at-letters.ts');
      await showLetter(origin, options, io);
    });
}

function addRedrive(parent: Command, io: CliIo): void {
  addTargets(addFilterOptions(parent.command('redrive [origin...]')))
    .description(
      'Write the records of dead letters back to their topics and partitions, each once, whatever crashes: the same command ' +
        'again does what is left. Every reader of the topic sees the record again. Exit code 1 when some are not redriven.',
    )
    .option('--all', 'every dead letter that has not been redriven')
    .option('--dry-run', 'say what would be done, and the origins on stdout; write nothing')
    .option('--yes', 'do it where it is more than one')
    .option(
      '--renew-time',
      'write what is older than its topic keeps records with the time of now; without it, it is refused',
    )
    .addHelpText(
      'after',
      examples([
        ['weir dead-letters redrive migration.link-states/0/17', 'one'],
        [
          'weir dead-letters redrive --topic migration.link-states --code unknown-schema --dry-run',
          'what it would do',
        ],
        ['weir dead-letters redrive --all --yes', 'all of them'],
      ]),
    )
    .action(async (origins: string[], options: RedriveOptions) => {
      const { redriveLetters } = await import('../dead-letters/redrive-letters.ts');
      await redriveLetters(origins, options, io);
    });
}

export function registerDeadLetters(program: Command, io: CliIo): void {
  const parent = program
    .command('dead-letters')
    .description(
      'What could not be processed: list it, look at it, and, when the cause is mended, write it back.',
    )
    .addHelpText(
      'after',
      examples([
        ['weir dead-letters list --since 2h', 'what failed in the last two hours'],
        ['weir dead-letters show migration.link-states/0/17', 'all of one'],
        ['weir dead-letters redrive --all --dry-run', 'what a redrive of all would do'],
      ]),
    );
  addList(parent, io);
  addShow(parent, io);
  addRedrive(parent, io);
}
