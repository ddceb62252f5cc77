/** Log entries of errors: how bad each kind is, and where it happened. */
import { EngineError, type EngineErrorCode } from '#engine/engine-error.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import type { Retrying } from '#sinks/clickhouse/retry.ts';
import type { LogEntry, LogLevel } from './logger.ts';

/**
 * How bad an error is that the engine reports and goes on from. `info`: the normal course of a rebalance or a repetition.
 * `warn`: it mends itself when its cause is mended. `error`: somebody has to do something.
 */
const engineLevels: Readonly<Record<EngineErrorCode, LogLevel>> = {
  fenced: 'info',
  'task-stopped': 'info',
  'log-closed': 'info',
  'transaction-aborted': 'warn',
  'outcome-unknown': 'warn',
  'kafka-unreachable': 'warn',
  'unknown-topic': 'warn',
  'unknown-schema': 'warn',
  'group-refused': 'warn',
  'store-in-use': 'warn',
  'store-failed': 'warn',
  'disk-full': 'warn',
  'offset-out-of-range': 'warn',
  'invalid-topology': 'error',
  'handler-bug': 'error',
  'out-of-order': 'error',
  'state-schema': 'error',
  'non-deterministic': 'error',
  recording: 'error',
  parameter: 'error',
  'corrupt-batch': 'error',
  'unsupported-broker': 'error',
  'partition-refused': 'error',
  'kafka-settings': 'error',
  'topics-differ': 'error',
  'kafka-refused': 'error',
  'no-librdkafka': 'error',
  'record-too-large': 'error',
  'state-lost': 'error',
  'positions-differ': 'error',
};

/** Messages of the engine and the sink name their place: `<topic>/<partition>`, `offset <n>`. */
function placeIn(message: string): Pick<LogEntry, 'topic' | 'partition' | 'offset'> {
  const place = /(?:^|[\s,(])([A-Za-z][\w.-]*)\/(\d{1,9})(?![\w./-])/.exec(message);
  const offset = /\boffset (\d{1,15})\b/.exec(message);
  return {
    ...(place === null ? {} : { topic: place[1]!, partition: Number(place[2]) }),
    ...(offset === null ? {} : { offset: Number(offset[1]) }),
  };
}

export interface EntryPlace {
  readonly component: string;
  readonly worker?: number;
  /** None when it is empty: it concerns all. */
  readonly task?: string;
}

/**
 * The entry of an error, or of what a worker told of one (`code`, `message`).
 *
 * @param isFinal whether a task, a partition or the run ended by it: always `error` then
 */
export function entryOfError(place: EntryPlace, error: unknown, isFinal = false): LogEntry {
  const { code, message } = partsOf(error);
  const { task = '', ...rest } = place;
  return {
    level: isFinal ? 'error' : levelOf(error, code),
    message,
    ...rest,
    ...(task === '' ? {} : { task }),
    ...placeIn(message),
    ...(code === undefined ? {} : { code }),
  };
}

function partsOf(error: unknown): { readonly code: string | undefined; readonly message: string } {
  if (typeof error !== 'object' || error === null) return { code: undefined, message: String(error) };
  const { code, message, name } = error as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly name?: unknown;
  };
  const text = [message, name].find((one) => typeof one === 'string' && one !== '');
  return {
    code: typeof code === 'string' && code !== '' ? code : undefined,
    message: typeof text === 'string' ? text : 'an error without a message',
  };
}

function levelOf(error: unknown, code: string | undefined): LogLevel {
  if (error instanceof SinkError) return error.retryable ? 'warn' : 'error';
  const known = code !== undefined && Object.hasOwn(engineLevels, code);
  const level = known ? engineLevels[code as EngineErrorCode] : 'error';
  // What says of itself that it may pass is no error yet.
  return level === 'error' && error instanceof EngineError && error.retryable ? 'warn' : level;
}

/** The entry of a request of the sink's that is repeated. */
export function entryOfRetry({ attempt, pauseMs, error }: Retrying): LogEntry {
  const entry = entryOfError({ component: 'sink' }, error);
  return {
    ...entry,
    message: `${entry.message}; attempt ${attempt} failed, the next in ${Math.ceil(pauseMs)} ms`,
  };
}
