/**
 * The command line as a whole: which command to load, how to run it, how to end.
 *
 * I1  Never throws: every error ends in `presentError`.
 * I2  Only this file and `presentError` know commander's own errors.
 */
import { Command, CommanderError } from 'commander';
import { commandList } from './command-list.ts';
import { exitCodes } from './exit-code.ts';
import { exitCodeHelp } from './help.ts';
import type { CliIo } from './io.ts';
import { packageVersion } from './package-root.ts';

function emptyProgram(io: CliIo): Command {
  const width = (columns: number): number => (columns === Infinity ? 100 : columns);
  return new Command('weir')
    .description(
      'Control events and telemetry through Kafka topics, deterministic processors and ClickHouse, exactly once.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .option('--verbose', 'add stacks to error messages')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text);
      },
      writeErr: (text) => {
        io.stderr.write(text);
      },
      // Errors are presented in one place, from the exception.
      outputError: () => undefined,
      getOutHelpWidth: () => width(io.columns),
      getErrHelpWidth: () => width(io.stderrColumns),
      getOutHasColors: () => io.colours,
      getErrHasColors: () => io.stderrColours,
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', exitCodeHelp);
}

/** The command that the arguments name, if they do. Global options take no values, so it is the first word. */
function commandNamed(argv: readonly string[]): string | undefined {
  const words = argv.filter((argument) => !argument.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

/** The program with the command that is wanted, and the names and summaries of the others. */
async function programFor(argv: readonly string[], io: CliIo): Promise<Command> {
  const program = emptyProgram(io);
  const wanted = commandNamed(argv);
  for (const { name, summary, load, isHidden = false } of commandList) {
    if (name !== wanted) {
      program.command(name, { hidden: isHidden }).summary(summary);
      continue;
    }
    const register = await load();
    register(program, io);
    program.commands.find((command) => command.name() === name)?.summary(summary);
  }
  return program;
}

async function presentFailure(argv: readonly string[], io: CliIo, error: unknown): Promise<void> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return;
    // `weir` alone: commander has written the help to stderr.
    if (error.code === 'commander.help') {
      io.setExitCode(exitCodes.usage);
      return;
    }
  }
  const { presentError } = await import('./present/error.ts');
  const isVerbose = argv.includes('--verbose') || io.env['WEIR_DEBUG'] === '1';
  presentError(io, error, isVerbose);
  if (!(error instanceof CommanderError)) return;
  const name = commandNamed(argv);
  const isCommand = commandList.some((command) => command.name === name);
  io.stderr.write(`  see: weir ${isCommand ? `${name ?? ''} ` : ''}--help\n`);
}

/** Runs a command line (without node and script). The exit code is set on `io`. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<void> {
  try {
    const program = await programFor(argv, io);
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    await presentFailure(argv, io, error);
  }
}
