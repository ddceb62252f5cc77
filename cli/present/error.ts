/**
 * The one place that turns an error into a message and an exit code.
 *
 * I1  A message is `weir: <what>` on stderr, with what to do under it. A stack only with --verbose or WEIR_DEBUG=1.
 * I2  Every error has an exit code of exit-code.ts; one that nobody foresaw has 1.
 */
import { AgentError } from '#agents/agent-error.ts';
import { ClientError, type ClientErrorCode } from '#client/client-error.ts';
import { EngineError, type EngineErrorCode } from '#engine/engine-error.ts';
import { LocalError } from '#local/local-error.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import {
  EmbeddedServerError,
  type EmbeddedServerErrorCode,
} from '#sinks/clickhouse/server/embedded-server-error.ts';
import { CommanderError } from 'commander';
import { CliError } from '../cli-error.ts';
import { exitCodes, type ExitCode } from '../exit-code.ts';
import type { CliIo } from '../io.ts';
import { styled } from './style.ts';

/** What to do about errors of the operating system and of Node's loader (codes: errno(3), Node's documentation). */
const systemRemedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'choose another port, or stop the program that has it',
  EADDRNOTAVAIL: 'choose an address of this machine',
  EACCES: 'give this user access, or choose another place',
  EPERM: 'give this user access, or choose another place',
  EROFS: 'choose a place that can be written',
  ENOSPC: 'free some space on that file system, or choose another place',
  EDQUOT: 'free some of your quota, or choose another place',
  EMFILE: 'allow this process more open files: ulimit -n 4096',
  ENFILE: 'close some programs: the whole machine has too many files open',
  ENOMEM: 'free some memory, or raise the memory limit of this container',
  ECONNREFUSED: 'start the server, or correct its address',
  ENOTFOUND: 'correct the name of the host',
  ERR_MODULE_NOT_FOUND:
    'install the dependencies (npm ci) and build (npm run build); `weir doctor` tells more',
  MODULE_NOT_FOUND: 'install the dependencies (npm ci) and build (npm run build); `weir doctor` tells more',
};

function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code in systemRemedies ? error.code : undefined;
}

function ofEmbeddedServer({ code }: EmbeddedServerError): ExitCode {
  return code === 'unsafe-host' || code === 'invalid-config' ? exitCodes.usage : exitCodes.environment;
}

/** What to do about errors of the embedded ClickHouse server: the options that say it otherwise. */
const serverRemedies: Partial<Record<EmbeddedServerErrorCode, string>> = {
  'port-in-use': 'give another port: --port <number>',
  'address-not-available': 'give an address of this machine: --host <address>',
  'data-dir-locked': 'give another directory: --data <directory>',
  'data-dir-not-writable': 'give another directory: --data <directory>',
  'data-dir-not-a-directory': 'give another directory: --data <directory>',
};

const unreachable =
  'start the brokers, or correct their addresses: --brokers, WEIR_KAFKA_BROKERS, or kafka.brokers of the configuration file; ' +
  'without these it is the local stack: weir local start';

/** Those that are not 1. */
const engineExitCodes: Partial<Record<EngineErrorCode, ExitCode>> = {
  parameter: exitCodes.usage,
  'kafka-settings': exitCodes.usage,
  'kafka-unreachable': exitCodes.environment,
  'no-librdkafka': exitCodes.environment,
};
const clientExitCodes: Partial<Record<ClientErrorCode, ExitCode>> = {
  'invalid-config': exitCodes.usage,
  'insecure-listen': exitCodes.usage,
  listen: exitCodes.environment,
  'kafka-unreachable': exitCodes.environment,
};

/** The exit code for an error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return exitCodes[error.code];
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof LocalError) return exitCodes.environment;
  if (error instanceof EmbeddedServerError) return ofEmbeddedServer(error);
  if (error instanceof EngineError) return engineExitCodes[error.code] ?? exitCodes.failure;
  if (error instanceof ClientError) return clientExitCodes[error.code] ?? exitCodes.failure;
  if (error instanceof SinkError)
    return error.retryable || error.code === 'cluster-unusable' ? exitCodes.environment : exitCodes.failure;
  if (error instanceof AgentError) return error.code === 'config' ? exitCodes.usage : exitCodes.failure;
  if (error instanceof AggregateError && error.errors.length > 0)
    return Math.max(...error.errors.map(exitCodeOf)) as ExitCode;
  return systemCode(error) === undefined ? exitCodes.failure : exitCodes.environment;
}

/** What is wrong, for people; further lines tell more. */
export function messageOf(error: unknown): string {
  if (error instanceof CommanderError) return error.message.replace(/^error: /, '');
  if (error instanceof AggregateError && error.errors.length > 0)
    return [error.message, ...error.errors.map(messageOf)].filter((text) => text !== '').join('\n');
  return error instanceof Error ? error.message || error.name : String(error);
}

/** What to do about an error, a line each. */
export function remediesOf(error: unknown): readonly string[] {
  if (error instanceof CliError) return error.remedies;
  const code = systemCode(error);
  if (code !== undefined) return [systemRemedies[code]!];
  if ((error instanceof EngineError || error instanceof ClientError) && error.code === 'kafka-unreachable')
    return [unreachable];
  const remedy = error instanceof EmbeddedServerError ? serverRemedies[error.code] : undefined;
  return remedy === undefined ? [] : [remedy];
}

/** Error, causes and stacks, as `--verbose` shows them. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(error.cause)}`;
}

/** Writes the error to stderr and sets the exit code. */
export function presentError(io: CliIo, error: unknown, isVerbose: boolean): void {
  io.setExitCode(exitCodeOf(error));
  const [first = '', ...more] = messageOf(error).split('\n');
  const lines = [
    `${styled(io.stderrColours, 'red', 'weir:')} ${first}`,
    ...more.map((line) => `  ${line}`),
    ...remediesOf(error).map((remedy) => `  ${styled(io.stderrColours, 'bold', 'try:')} ${remedy}`),
    ...(isVerbose ? [stackOf(error)] : []),
  ];
  io.stderr.write(`${lines.join('\n')}\n`);
}
