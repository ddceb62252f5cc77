/** The error class of the command line. `code` decides the exit code; the message is for people. */
import type { exitCodes } from './exit-code.ts';

export type CliErrorCode = Exclude<keyof typeof exitCodes, 'ok'>;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;
  /** Whether the same command may succeed later without a change to it. */
  readonly retryable: boolean;
  /** What the user can do, one line each; printed under the message. */
  readonly remedies: readonly string[];

  constructor(
    code: CliErrorCode,
    message: string,
    options: { readonly remedies?: readonly string[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = code === 'environment';
    this.remedies = options.remedies ?? [];
  }
}
