/** Errors of the embedded ClickHouse server as the program that started it sees them. */

/**
 * - `port-in-use`, `address-not-available`: where to listen
 * - `unsafe-host`: reachable from elsewhere without a password
 * - `data-dir-not-a-directory`, `data-dir-not-writable`, `data-dir-locked`: the data directory
 * - `engine-missing`: no chdb for this platform; `engine-failed`: the engine does not open its data
 * - `not-built`: run from sources without the compiled child
 * - `start-timeout`: no answer from the child in time
 * - `gave-up`: the child died again and again
 * - `invalid-config`: a value of the configuration is out of range
 */
export type EmbeddedServerErrorCode =
  | 'port-in-use'
  | 'address-not-available'
  | 'unsafe-host'
  | 'data-dir-not-a-directory'
  | 'data-dir-not-writable'
  | 'data-dir-locked'
  | 'engine-missing'
  | 'engine-failed'
  | 'not-built'
  | 'start-timeout'
  | 'gave-up'
  | 'invalid-config';

const codes: ReadonlySet<string> = new Set<EmbeddedServerErrorCode>([
  'port-in-use',
  'address-not-available',
  'unsafe-host',
  'data-dir-not-a-directory',
  'data-dir-not-writable',
  'data-dir-locked',
  'engine-missing',
  'engine-failed',
  'not-built',
  'start-timeout',
  'gave-up',
  'invalid-config',
]);

/** Whether a text is one of the codes. */
export function isEmbeddedServerErrorCode(text: unknown): text is EmbeddedServerErrorCode {
  return typeof text === 'string' && codes.has(text);
}

/** Names the place and what to do. `retryable`: the same call may succeed later without a change. */
export class EmbeddedServerError extends Error {
  readonly code: EmbeddedServerErrorCode;
  readonly retryable: boolean;

  constructor(code: EmbeddedServerErrorCode, message: string) {
    super(message);
    this.name = 'EmbeddedServerError';
    this.code = code;
    this.retryable = code === 'port-in-use' || code === 'data-dir-locked' || code === 'start-timeout';
  }
}
