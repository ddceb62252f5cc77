/** `weir doctor`: what is missing on this machine, and how to get it. */
import type { Command } from 'commander';
import { defaultDataDir } from '../connection-options.ts';
import type { Check, CheckState } from '../doctor/check.ts';
import { exitCodes } from '../exit-code.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { withProgress } from '../present/progress.ts';
import { formatOption, writeResult, type ResultFormat } from '../present/result.ts';
import { styled, type Style } from '../present/style.ts';
import { printable } from '../present/width.ts';

interface DoctorOptions {
  readonly format: ResultFormat;
  readonly data: string;
}

async function allChecks(dataDir: string): Promise<readonly Check[]> {
  const [runtime, engine, places, hostIo, limits, programs] = await Promise.all([
    import('../doctor/runtime-checks.ts'),
    import('../doctor/engine-check.ts'),
    import('../doctor/place-checks.ts'),
    import('../doctor/host-io-checks.ts'),
    import('../doctor/limit-checks.ts'),
    import('../doctor/program-checks.ts'),
  ]);
  const slow = await Promise.all([
    engine.engineCheck(),
    places.dataDirCheck(dataDir),
    places.diskSpaceCheck(dataDir),
    places.loopbackCheck(),
  ]);
  return [
    runtime.nodeCheck(process.versions.node),
    runtime.platformCheck(runtime.thisPlatform()),
    ...slow,
    ...limits.limitChecks(),
    ...hostIo.hostIoChecks({ procRoot: '/proc', sysRoot: '/sys' }),
    ...(await programs.programChecks()),
  ];
}

const styles: Readonly<Record<CheckState, Style>> = {
  ok: 'green',
  'optional-missing': 'yellow',
  missing: 'red',
};

/** One paragraph for each check that is not ok: a table would cut what to do. */
function advice(io: CliIo, checks: readonly Check[]): string {
  const open = checks.filter((check) => check.state !== 'ok');
  if (open.length === 0) return '\nNothing is missing.\n';
  const lines = open.map(({ name, state, neededFor, found, remedy }) =>
    [
      `${styled(io.colours, styles[state], state)}  ${styled(io.colours, 'bold', name)}: ${printable(found)}`,
      `  for: ${neededFor}`,
      ...(remedy === undefined ? [] : [`  try: ${remedy}`]),
    ].join('\n'),
  );
  return `\n${lines.join('\n')}\n`;
}

function writeChecks(io: CliIo, format: ResultFormat, checks: readonly Check[]): void {
  const text = (name: string): { name: string; kind: 'text' } => ({ name, kind: 'text' });
  if (format === 'table') {
    const rows = checks.map(({ name, state, found }) => [name, state, found]);
    writeResult(io, format, { columns: ['check', 'state', 'found'].map(text), rows });
    io.stdout.write(advice(io, checks));
    return;
  }
  writeResult(io, format, {
    columns: ['check', 'state', 'found', 'needed_for', 'remedy'].map(text),
    rows: checks.map(({ name, state, found, neededFor, remedy }) => [
      name,
      state,
      found,
      neededFor,
      remedy ?? null,
    ]),
  });
}

export function registerDoctor(program: Command, io: CliIo): void {
  program
    .command('doctor')
    .description(
      'Check what Weir needs of this machine, required and optional, and say how to get what is missing. ' +
        'Exit code 3 where something required is missing.',
    )
    .addOption(formatOption())
    .option('--data <directory>', 'data directory to check', defaultDataDir)
    .addHelpText(
      'after',
      examples([
        ['weir doctor', 'what is there and what is missing'],
        ['weir doctor --format json', 'the same, for a program'],
      ]),
    )
    .action(async ({ format, data }: DoctorOptions) => {
      const checks = await withProgress(io, 'checking this machine', () => allChecks(data));
      writeChecks(io, format, checks);
      if (checks.some((check) => check.state === 'missing')) io.setExitCode(exitCodes.environment);
    });
}
