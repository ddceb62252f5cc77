/** The agents' error class. `code` is stable and for programs; the message names the place and what to do. */

export type AgentErrorCode = 'config' | 'load-failed';

export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: AgentErrorCode;
  /** Whether the same call may succeed later without anything being mended. */
  readonly retryable: boolean;

  constructor(code: AgentErrorCode, message: string, options?: { cause?: unknown; retryable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options?.retryable ?? false;
  }
}
