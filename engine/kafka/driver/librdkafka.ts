/**
 * The one place that loads node-rdkafka, and the shape of its errors.
 *
 * It is an optional dependency: agents, tools and embedded runs need no compiler. Only what writes in transactions does.
 */
import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';
import { EngineError } from '../../engine-error.ts';

export type { KafkaConsumer, Producer } from 'node-rdkafka';

const require = createRequire(import.meta.url);

/** @throws EngineError `no-librdkafka` when node-rdkafka was not built */
export function loadLibrdkafka(): typeof RdKafka {
  try {
    return require('node-rdkafka') as typeof RdKafka;
  } catch (cause) {
    throw new EngineError(
      'no-librdkafka',
      'node-rdkafka is not installed, or was not built; transactions on Kafka need it: install a C++ compiler, make and python3, then npm rebuild node-rdkafka',
      { cause },
    );
  }
}

/** What librdkafka says of a failed call. */
export interface LibrdkafkaFailure {
  readonly code: number;
  readonly message: string;
  /** The producer can do nothing any more. */
  readonly isFatal: boolean;
  /** The same call may be made again. */
  readonly isRetriable: boolean;
  /** The transaction can only be aborted. */
  readonly requiresAbort: boolean;
}

export function librdkafkaFailure(error: unknown): LibrdkafkaFailure {
  const { code, message, isFatal, isRetriable, isTxnRequiresAbort } = (error ?? {}) as Record<
    string,
    unknown
  >;
  return {
    code: typeof code === 'number' ? code : 0,
    message: typeof message === 'string' ? message : String(error),
    isFatal: isFatal === true,
    isRetriable: isRetriable === true,
    requiresAbort: isTxnRequiresAbort === true,
  };
}

/** librdkafka's and Kafka's codes that are told apart. https://kafka.apache.org/protocol#protocol_error_codes */
export const codes = {
  queueFull: -184,
  timedOut: -185,
  fenced: -144,
  fatal: -150,
  messageTooLarge: 10,
  invalidProducerEpoch: 47,
  producerFenced: 90,
} as const;

/** Another producer with the same transactional id has taken over. */
export function isFencing({ code }: LibrdkafkaFailure): boolean {
  return code === codes.fenced || code === codes.producerFenced || code === codes.invalidProducerEpoch;
}

const authorization: ReadonlySet<number> = new Set([29, 30, 31, 53, 58, -169]);

/** The brokers refuse this client: asking again changes nothing. */
export function isRefusal({ code }: LibrdkafkaFailure): boolean {
  return authorization.has(code);
}

/** Makes a call with a callback a promise; rejects with what the callback was given. */
export function called(call: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      if (error === null || error === undefined) resolve();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- librdkafka's errors are no Errors; see librdkafkaFailure
      else reject(error);
    });
  });
}
