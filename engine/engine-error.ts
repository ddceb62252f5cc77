/** The engine's error class. `code` is stable and for programs; the message names the place and what to do. */

export type EngineErrorCode =
  | 'invalid-topology'
  | 'handler-bug'
  | 'task-stopped'
  | 'out-of-order'
  | 'state-schema'
  | 'unknown-schema'
  | 'unknown-topic'
  | 'log-closed'
  | 'non-deterministic'
  | 'recording'
  | 'parameter'
  | 'corrupt-batch'
  | 'unsupported-broker'
  | 'offset-out-of-range'
  | 'partition-refused'
  | 'kafka-unreachable'
  | 'kafka-settings'
  | 'topics-differ'
  | 'group-refused'
  | 'kafka-refused'
  | 'fenced'
  | 'no-librdkafka'
  | 'transaction-aborted'
  | 'outcome-unknown'
  | 'record-too-large'
  | 'state-lost'
  | 'positions-differ'
  | 'store-in-use'
  | 'disk-full'
  | 'store-failed';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  /** Whether the same call may succeed later without anything being mended. */
  readonly retryable: boolean;

  constructor(code: EngineErrorCode, message: string, options?: { cause?: unknown; retryable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options?.retryable ?? false;
  }
}
