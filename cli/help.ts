/** Pieces of `--help` that all commands share. */

/** Text for `addHelpText('after', …)`: command lines, each with what it does. */
export function examples(list: readonly (readonly [command: string, what: string])[]): string {
  return ['', 'Examples:', ...list.flatMap(([command, what]) => [`  # ${what}`, `  $ ${command}`])].join(
    '\n',
  );
}

/** The exit codes, for the end of `weir --help`. */
export const exitCodeHelp = [
  '',
  'Exit codes:',
  '  0    ok',
  '  1    the operation failed: a task stopped, an audit or a replay found a difference',
  '  2    a command, option or parameter is wrong',
  '  3    this machine is not ready: something is missing, a port or directory is in use, a disk is full',
  '  130  interrupted',
  '',
  'NO_COLOR and FORCE_COLOR are respected. WEIR_DEBUG=1 or --verbose adds stacks to error messages.',
].join('\n');
