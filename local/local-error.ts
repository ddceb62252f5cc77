/** Errors of the servers that Weir starts on this machine. */

/**
 * - `no-java`, `no-maven`: a program that is missing, with what to install
 * - `download`: the artifacts could not be fetched; `checksum`: they are not the pinned ones
 * - `port-in-use`: where to listen
 * - `data-dir-in-use`: another broker runs on the directory
 * - `format`: the data directory could not be prepared
 * - `start`: a broker ended before it was ready; `start-timeout`: it was not ready in time
 */
export type LocalErrorCode =
  | 'no-java'
  | 'no-maven'
  | 'download'
  | 'checksum'
  | 'port-in-use'
  | 'data-dir-in-use'
  | 'format'
  | 'start'
  | 'start-timeout';

const retryable: ReadonlySet<LocalErrorCode> = new Set([
  'download',
  'port-in-use',
  'data-dir-in-use',
  'start-timeout',
]);

/** Names the place and what to do. `retryable`: the same call may succeed later without a change. */
export class LocalError extends Error {
  override readonly name = 'LocalError';
  readonly code: LocalErrorCode;
  readonly retryable: boolean;

  constructor(code: LocalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = retryable.has(code);
  }
}
