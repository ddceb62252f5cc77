/** Errors of the servers that Weir starts on this machine. */

/**
 * - `no-java`, `no-maven`, `no-docker`: a program that is missing or of no use, with what to install
 * - `download`: the artifacts could not be fetched; `checksum`: they are not the pinned ones
 * - `port-in-use`: where to listen
 * - `data-dir-in-use`: another broker, or another local stack, runs on the directory
 * - `data-dir-mismatch`: it holds another cluster than the one asked for
 * - `disk-full`: no room for data
 * - `format`: the data directory could not be prepared
 * - `start`: a broker ended before it was ready; `start-timeout`: it was not ready in time
 * - `not-answering`: a local stack runs, but a part of it does not answer
 */
export type LocalErrorCode =
  | 'no-java'
  | 'no-maven'
  | 'no-docker'
  | 'download'
  | 'checksum'
  | 'port-in-use'
  | 'data-dir-in-use'
  | 'data-dir-mismatch'
  | 'disk-full'
  | 'format'
  | 'start'
  | 'start-timeout'
  | 'not-answering';

const retryable: ReadonlySet<LocalErrorCode> = new Set([
  'download',
  'port-in-use',
  'data-dir-in-use',
  'disk-full',
  'start-timeout',
  'not-answering',
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
