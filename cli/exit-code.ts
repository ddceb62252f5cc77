/** Exit codes of `weir`, a contract with scripts: documented in docs/cli.md and at the end of `weir --help`. */
export const exitCodes = {
  ok: 0,
  /** The operation failed: a task stopped, an audit or a replay found a difference, a query was refused. */
  failure: 1,
  /** A command, option or parameter is wrong: nothing was started. */
  usage: 2,
  /** This machine is not ready: a dependency is missing, a port is in use, a directory is locked, a disk is full. */
  environment: 3,
  /** A second Ctrl-C (or the first, where there is nothing to finish): 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
