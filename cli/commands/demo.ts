/** `weir demo`: real telemetry and a simulation, through the processors, into ClickHouse. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { addStackOptions, stackOptions, type StackCliOptions } from '../stack-options.ts';

export interface DemoOptions extends StackCliOptions {
  readonly for?: string;
  readonly sampleInterval: string;
  readonly seed: string;
  readonly vms: string;
  readonly ioLoad: boolean;
  readonly record?: string;
  readonly set: readonly string[];
}

export async function runDemo(options: DemoOptions, io: CliIo): Promise<void> {
  const { weirApp } = await import('../app.ts');
  const { allMigrations } = await import('../migrations.ts');
  const { durationMs } = await import('../duration.ts');
  const { wholeNumber } = await import('../whole-number.ts');
  const { parameterOverrides } = await import('../parameter-option.ts');
  const { demonstrate } = await import('../demonstrate.ts');
  await demonstrate(io, {
    stack: {
      ...(await stackOptions(options)),
      app: weirApp,
      migrations: allMigrations(),
      parameters: parameterOverrides(weirApp, options.set),
      ...(options.record === undefined ? {} : { recordInto: options.record }),
    },
    sources: {
      sampleIntervalMs: durationMs(options.sampleInterval, '--sample-interval', 1),
      seed: wholeNumber(options.seed, '--seed', 0),
      vms: wholeNumber(options.vms, '--vms', 1, 10_000),
      ...(options.ioLoad ? { loadIn: options.data } : {}),
    },
    durationMs: options.for === undefined ? Infinity : durationMs(options.for, '--for'),
  });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function addRunOptions(command: Command): Command {
  return addStackOptions(
    command
      .option('--sample-interval <duration>', "how often this host's I/O is sampled", '500ms')
      .option('--seed <number>', 'seed of the simulation', '1')
      .option('--vms <number>', 'VMs in the simulation', '12')
      .option(
        '--io-load',
        'write small bursts to a file in the data directory, so that a quiet host has I/O to predict',
        false,
      )
      .option(
        '--set <processor.parameter=value>',
        'another value for a parameter of a processor; may be repeated',
        collect,
        [],
      ),
  );
}

export function registerDemo(program: Command, io: CliIo): void {
  addRunOptions(
    program
      .command('demo')
      .description(
        "Run Weir with nothing but this machine: this host's own disk I/O and a simulated estate of migrating VMs, through " +
          'the processors, into an embedded ClickHouse that answers SQL. Runs until Ctrl-C, then prints what happened.',
      )
      .option('--for <duration>', 'stop after this time: 30s, 5m')
      .option('--record <directory>', 'record everything, to be replayed with weir replay'),
  )
    .addHelpText(
      'after',
      examples([
        ['weir demo --for 30s', 'half a minute, then the reports'],
        ['weir demo --port 8123', 'until Ctrl-C, with ClickHouse on a port of your choice'],
        ['weir demo --for 30s --record incident', 'and record it'],
      ]),
    )
    .action((options: DemoOptions) => runDemo(options, io));
}
