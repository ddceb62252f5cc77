/** What runs on the data directory of a local stack: the state that its supervisor writes down, and its JSON text. */
import type { KafkaRuntimeName } from '../kafka/kafka-runtime.ts';
import type { ProcessIdentity } from '../process-identity.ts';

export interface BrokerState {
  readonly id: number;
  /** `host:port` */
  readonly address: string;
  readonly process: ProcessIdentity;
  readonly container?: string | undefined;
  readonly logPath: string;
  /** Why it is not started again. */
  readonly failure?: string | undefined;
}

export interface KafkaState {
  readonly version: string;
  readonly runtime: KafkaRuntimeName;
  readonly brokers: readonly BrokerState[];
}

export interface ClickHouseState {
  readonly url: string;
  readonly version: string;
  readonly process: ProcessIdentity;
  /** Why it is not started again. */
  readonly failure?: string | undefined;
}

export interface StackState {
  readonly phase: 'starting' | 'running' | 'stopping';
  readonly supervisor: ProcessIdentity;
  readonly kafka?: KafkaState | undefined;
  /** Absent in a stack without ClickHouse. */
  readonly clickhouse?: ClickHouseState | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Found where another type was expected. */
class Unreadable extends Error {}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null) throw new Unreadable();
  return value as Fields;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Unreadable();
  return value;
}

function oneOf<T extends string>(value: unknown, ...allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw new Unreadable();
  return found;
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) throw new Unreadable();
  return value;
}

function identity(value: unknown): ProcessIdentity {
  const { pid, startedAt } = fieldsOf(value) as { readonly pid?: unknown; readonly startedAt?: unknown };
  return { pid: count(pid), startedAt: text(startedAt) };
}

function broker(value: unknown): BrokerState {
  const fields = fieldsOf(value);
  return {
    id: count(fields['id']),
    address: text(fields['address']),
    process: identity(fields['process']),
    container: optional(fields['container'], text),
    logPath: text(fields['logPath']),
    failure: optional(fields['failure'], text),
  };
}

function kafka(value: unknown): KafkaState {
  const { version, runtime, brokers } = fieldsOf(value) as Record<string, unknown>;
  if (!Array.isArray(brokers)) throw new Unreadable();
  return {
    version: text(version),
    runtime: oneOf(runtime, 'java', 'docker'),
    brokers: brokers.map(broker),
  };
}

function clickhouse(value: unknown): ClickHouseState {
  const fields = fieldsOf(value);
  return {
    url: text(fields['url']),
    version: text(fields['version']),
    process: identity(fields['process']),
    failure: optional(fields['failure'], text),
  };
}

/** Reads a state back. Text that is none, or of another version of Weir, is undefined. */
export function parseState(json: string): StackState | undefined {
  try {
    const fields = fieldsOf(JSON.parse(json));
    return {
      phase: oneOf(fields['phase'], 'starting', 'running', 'stopping'),
      supervisor: identity(fields['supervisor']),
      kafka: optional(fields['kafka'], kafka),
      clickhouse: optional(fields['clickhouse'], clickhouse),
    };
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
