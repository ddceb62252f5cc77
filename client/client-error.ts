/** The client's error class. `code` is stable and for programs; the message names the place and what to do. */

export type ClientErrorCode =
  /** An option of the client or of the ingest endpoint is wrong, or an argument of a call other than the event. */
  | 'invalid-config'
  /** The event does not fit its stream: see `problems`. */
  | 'invalid-event'
  /** There is no room for the event, and `whenFull` is 'reject'. */
  | 'buffer-full'
  /** The event is larger than the client or its topic takes. */
  | 'too-large'
  /** The client was closed. */
  | 'closed'
  /** The topic is not in Kafka. */
  | 'unknown-topic'
  /** The brokers refuse it, and will again: authorization, a time that is out of bounds, a broken policy. */
  | 'refused'
  /**
   * It was never sent to a broker, within `deliveryTimeoutMs` or before its partition was removed: publishing it again makes no
   * duplicate.
   */
  | 'not-delivered'
  /**
   * It was sent, and no answer came within `deliveryTimeoutMs`, or before it was refused (`cause`): it may be in its topic.
   * Published again under the same id, readers can tell the repetition by `ce_source` and `ce_id`.
   */
  | 'unknown-outcome'
  /** Another process took over the transactional id that this one wrote under, and what this one left open is decided. */
  | 'fenced'
  /** No broker answers. */
  | 'kafka-unreachable'
  /** Not everything was acknowledged in time. */
  | 'flush-timeout'
  /** The ingest endpoint would be open to other machines without a token. */
  | 'insecure-listen'
  /** The ingest endpoint cannot listen on its address. */
  | 'listen';

/** Those after which the same call may succeed without anything being mended. */
const retryableCodes: ReadonlySet<ClientErrorCode> = new Set([
  'buffer-full',
  'not-delivered',
  'unknown-outcome',
  'kafka-unreachable',
  'flush-timeout',
]);

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** Whether the same call may succeed later without anything being mended. */
  readonly retryable: boolean;
  /** Of 'invalid-event' and of wrong options every single finding, each with its name; of other errors the message alone. */
  readonly problems: readonly string[];

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly problems?: readonly string[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = retryableCodes.has(code);
    this.problems = options.problems ?? [message];
  }
}
