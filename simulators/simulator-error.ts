/** The simulators' error class. `code` is stable and for programs; the message names the option and what to do. */

export type SimulatorErrorCode = 'config';

export class SimulatorError extends Error {
  override readonly name = 'SimulatorError';
  readonly code: SimulatorErrorCode;
  /** Whether the same call may succeed later without anything being mended. */
  readonly retryable = false;

  constructor(code: SimulatorErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
