/**
 * What a run and its worker processes tell each other, over Node's IPC channel (structured clones: errors and infinities
 * arrive as they are).
 *
 * I1  No secret goes over it: a worker finds secrets where the run found them, in files and the environment.
 */
import { EngineError, type EngineErrorCode } from '#engine/engine-error.ts';
import type { TruncatedInputs } from '#engine/kafka/driver/task-environment.ts';
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import type { Parameters } from '#engine/topology/processor.ts';

export interface WorkerConfig {
  /** The `kafka` part of the configuration file. */
  readonly kafka: unknown;
  readonly stateDir: string;
  /** Names of the processors to run. */
  readonly processors: readonly string[];
  readonly parameters: Readonly<Record<string, Parameters>>;
  readonly truncatedInputs: TruncatedInputs;
}

export type ToWorker =
  | { readonly type: 'start'; readonly config: WorkerConfig }
  | { readonly type: 'stop'; readonly timeoutMs: number };

/** An error without what cannot be sent. */
export interface PlainError {
  readonly code: string;
  readonly message: string;
  /** Whether the same may succeed later without anything being mended. */
  readonly retryable: boolean;
  readonly stack?: string;
}

export type FromWorker =
  | { readonly type: 'listening' }
  | {
      readonly type: 'status';
      readonly isReady: boolean;
      readonly stalledMs: number;
      readonly tasks: readonly TaskStatus[];
    }
  | { readonly type: 'trouble'; readonly task: string; readonly error: PlainError }
  | { readonly type: 'task-failed'; readonly task: string; readonly error: PlainError }
  /** It could not start, and ends. */
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'stopped'; readonly inOrder: boolean };

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { code: '', message: String(error), retryable: false };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const retryable = 'retryable' in error && error.retryable === true;
  return {
    code,
    message: error.message,
    retryable,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  };
}

/** As it was in the worker, as far as messages and exit codes need it. */
export function revivedError({ code, message, retryable }: PlainError): Error {
  // Of the system: ENOSPC and its kin have remedies of their own.
  if (code === '' || /^E[A-Z]+$/.test(code))
    return Object.assign(new Error(message), code === '' ? {} : { code });
  return new EngineError(code as EngineErrorCode, message, { retryable });
}
