/** `weir replay`: a recording through the same processors again, exactly, or with another parameter. */
import type { Command } from 'commander';
import type { ReplayedTask } from '#engine/replay/replay-recording.ts';
import { CliError } from '../cli-error.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { formatOption, type ResultFormat } from '../present/result.ts';

interface ReplayCliOptions {
  readonly set: readonly string[];
  readonly crashes: string;
  readonly batch?: string;
  readonly seed: string;
  readonly format: ResultFormat;
  readonly show: string;
}

async function replay(directory: string, options: ReplayCliOptions, io: CliIo): Promise<void> {
  const { weirApp } = await import('../app.ts');
  const { parameterOverrides } = await import('../parameter-option.ts');
  const { openRecording } = await import('#engine/replay/recording-reader.ts');
  const { replayRecording } = await import('#engine/replay/replay-recording.ts');
  const { replayVariation } = await import('#engine/replay/variation.ts');
  const { taskResult, changeResult } = await import('../replay-result.ts');
  const { withProgress } = await import('../present/progress.ts');
  const { writeResult } = await import('../present/result.ts');
  const parameters = parameterOverrides(weirApp, options.set);
  const variation = replayVariation({
    seed: whole(options.seed, '--seed'),
    crashes: whole(options.crashes, '--crashes'),
    ...(options.batch === undefined ? {} : { maxBatch: whole(options.batch, '--batch') }),
  });
  const tasks = await withProgress(io, `replaying ${directory}`, async (progress) => {
    const recording = await openRecording(directory);
    return replayRecording(recording, {
      app: weirApp,
      parameters,
      ...variation,
      onTask: (task) => {
        progress.update(`replayed ${task.task}: ${task.steps} steps`);
      },
    });
  });
  const isWhatIf = options.set.length > 0;
  writeResult(
    io,
    options.format,
    isWhatIf ? changeResult(weirApp, tasks, whole(options.show, '--show')) : taskResult(tasks),
  );
  if (isWhatIf) return;
  const differing = tasks.filter((task) => task.difference !== undefined);
  if (differing.length === 0) {
    io.stderr.write(`identical: ${outputs(tasks)} outputs of ${tasks.length} tasks, byte for byte\n`);
    return;
  }
  throw new CliError(
    'failure',
    `${differing.length} of ${tasks.length} tasks differ from the recording: ${differing.map((t) => `${t.task} (${t.difference ?? ''})`).join('; ')}`,
    {
      remedies: ['replay with the processors (and parameters) that were recorded, or compare with --set'],
    },
  );
}

function outputs(tasks: readonly ReplayedTask[]): number {
  return tasks.reduce((sum, task) => sum + task.outputs.length, 0);
}

function whole(text: string, option: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== '') return value;
  throw new CliError('usage', `${option}: '${text}' is no whole number`);
}

export function registerReplay(program: Command, io: CliIo): void {
  program
    .command('replay')
    .argument('<directory>', 'a recording, as weir record or weir demo --record made it')
    .description(
      'Replay a recording through the processors and compare their outputs with the recorded ones, byte for byte. With --set, show what another parameter would have changed.',
    )
    .option(
      '--set <processor.parameter=value>',
      'another value for a parameter; may be repeated',
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option('--crashes <number>', 'crash and restore each task so many times on the way', '0')
    .option('--batch <number>', 'commit after batches of random size up to this; by default 100 each')
    .option('--seed <number>', 'seed of batch sizes and crash points', '1')
    .option('--show <number>', 'with --set: how many changed outputs to show', '50')
    .addOption(formatOption())
    .addHelpText(
      'after',
      examples([
        ['weir replay incident', 'the same outputs, to the byte'],
        ['weir replay incident --crashes 20 --batch 7', 'also with crashes and other batches'],
        [
          'weir replay incident --set migration.device-failover.suppressThreshold=4000',
          'what would have happened',
        ],
      ]),
    )
    .action((directory: string, options: ReplayCliOptions) => replay(directory, options, io));
}
