/**
 * What the supervisor of a local stack and the command that starts it tell each other, over Node's IPC channel.
 *
 * I1  Until the command has accepted a stack that is ready, the end of the channel ends the stack: Ctrl-C, also a SIGKILL, of
 *     a start leaves nothing running.
 */
import { exitCodes, type ExitCode } from '../exit-code.ts';

export type FromSupervisor =
  /** What it is doing, in words. */
  | { readonly type: 'step'; readonly step: string }
  /** All servers answer. */
  | { readonly type: 'ready' }
  /** It could not be started, nothing is left, and the supervisor ends. */
  | {
      readonly type: 'failed';
      readonly exitCode: ExitCode;
      readonly message: string;
      readonly remedies: readonly string[];
    };

/** The supervisor may go on alone. */
export const accepted = 'accepted';

/** A message of the supervisor; undefined for anything else. */
export function readFromSupervisor(raw: unknown): FromSupervisor | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { type, step, exitCode, message, remedies } = raw as Readonly<Record<string, unknown>>;
  if (type === 'ready') return { type };
  if (type === 'step' && typeof step === 'string') return { type, step };
  const known = Object.values(exitCodes).find((code) => code === exitCode);
  if (type !== 'failed' || known === undefined || typeof message !== 'string') return undefined;
  const lines = Array.isArray(remedies) ? remedies.filter((line) => typeof line === 'string') : [];
  return { type, exitCode: known, message, remedies: lines };
}
