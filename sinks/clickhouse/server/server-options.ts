/** What the child process is told at its start: the configuration with all defaults filled in and checked. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { EmbeddedServerError } from './embedded-server-error.ts';

/** Limits of the embedded server. Each has a default. */
export interface ServerLimits {
  /** Largest request body in bytes, before and after decompression. */
  readonly maxBodyBytes: number;
  /** Largest URL with all headers, in bytes. */
  readonly maxUrlBytes: number;
  /** Longest SQL text in bytes, data of an INSERT not counted. */
  readonly maxQueryBytes: number;
  /** Statements running at once; one more is answered with code 202. */
  readonly maxConcurrentQueries: number;
  /** A request must have arrived whole within this time. */
  readonly requestTimeoutMs: number;
  /** Default of the setting `max_execution_time`, in seconds; 0 for none. */
  readonly maxExecutionSeconds: number;
  /** Memory for all queries together, in bytes; 0 lets the engine take 90 % of the machine's. */
  readonly maxMemoryBytes: number;
  /** Sessions (`session_id`) kept at once. */
  readonly maxSessions: number;
}

export const defaultLimits: ServerLimits = {
  maxBodyBytes: 1024 * 1024 * 1024,
  maxUrlBytes: 1024 * 1024,
  maxQueryBytes: 1024 * 1024,
  maxConcurrentQueries: 50,
  requestTimeoutMs: 300_000,
  maxExecutionSeconds: 0,
  maxMemoryBytes: 0,
  maxSessions: 100,
};

/** What a user of the embedded server sets. */
export interface EmbeddedServerConfig {
  /** Made if it is missing. Its content belongs to this server alone. */
  readonly dataDir: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Address to listen on; 127.0.0.1 by default. Any other than a loopback address needs `defaultPassword`. */
  readonly host?: string;
  /** Password of the user `default`; none by default. */
  readonly defaultPassword?: string;
  /** Password of the user `readonly`. Without it that user exists only while `default` has no password either. */
  readonly readOnlyPassword?: string;
  /** Further names by which browsers and clients may address this server (`Host` header). */
  readonly allowedHosts?: readonly string[];
  /**
   * Table engines beyond those that keep their data in the data directory: `Kafka`, which reads from and writes to
   * any broker that `default` names in DDL. None by default.
   */
  readonly allowedEngines?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
}

/** Engines that can be allowed, with the right that the engine asks for. */
export const sourceOfEngine: Readonly<Record<string, string>> = { Kafka: 'KAFKA' };

export interface ServerOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly host: string;
  readonly defaultPassword: string;
  /** undefined: there is no user `readonly`. */
  readonly readOnlyPassword: string | undefined;
  readonly allowedHosts: readonly string[];
  readonly allowedEngines: readonly string[];
  readonly limits: ServerLimits;
}

/** Whether an address is reachable from this host only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function checkLimits(limits: ServerLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    const isNumber = typeof value === 'number' && Number.isFinite(value) && value >= 0;
    const mayBeZero = name === 'maxExecutionSeconds' || name === 'maxMemoryBytes';
    if (!isNumber || (value === 0 && !mayBeZero)) {
      throw new EmbeddedServerError(
        'invalid-config',
        `limits.${name} must be a positive number, not ${String(value)}`,
      );
    }
  }
  if (limits.maxConcurrentQueries > 500) {
    throw new EmbeddedServerError(
      'invalid-config',
      `limits.maxConcurrentQueries must be at most 500 (one thread each)`,
    );
  }
}

/** Fill in defaults and refuse what is unsafe or senseless. */
export function completeOptions(config: EmbeddedServerConfig): ServerOptions {
  const host = config.host ?? '127.0.0.1';
  const port = config.port ?? 0;
  const defaultPassword = config.defaultPassword ?? '';
  const limits = { ...defaultLimits, ...config.limits };
  checkLimits(limits);
  const allowedEngines = config.allowedEngines ?? [];
  for (const engine of allowedEngines) {
    if (!Object.hasOwn(sourceOfEngine, engine)) {
      const known = Object.keys(sourceOfEngine).join(', ');
      throw new EmbeddedServerError('invalid-config', `allowedEngines: '${engine}' is none of ${known}`);
    }
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new EmbeddedServerError(
      'invalid-config',
      `port must be a whole number from 0 to 65535, not ${port}`,
    );
  }
  if (!isLoopback(host) && (defaultPassword === '' || config.readOnlyPassword === '')) {
    throw new EmbeddedServerError(
      'unsafe-host',
      `ClickHouse would listen on ${host}, reachable from other hosts, without a password: set a password for ` +
        `user default (and none that is empty for readonly), or listen on 127.0.0.1`,
    );
  }
  return {
    dataDir: resolve(config.dataDir),
    port,
    host,
    defaultPassword,
    readOnlyPassword: config.readOnlyPassword ?? (defaultPassword === '' ? '' : undefined),
    allowedHosts: config.allowedHosts ?? [],
    allowedEngines,
    limits,
  };
}
