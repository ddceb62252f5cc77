/**
 * Messages between the program and its ClickHouse child process, over Node's IPC channel.
 *
 * I1. The child listens to nothing else: terminal signals are ignored, the channel's end means "stop".
 * I2. Passwords go this way, never by command line or environment.
 */
import { type EmbeddedServerErrorCode, isEmbeddedServerErrorCode } from './embedded-server-error.ts';
import type { ServerOptions } from './server-options.ts';

export type ToChild =
  | { readonly type: 'start'; readonly options: ServerOptions }
  | { readonly type: 'stop'; readonly graceMs: number };

export type FromChild =
  | { readonly type: 'ready'; readonly port: number; readonly engineVersion: string }
  | { readonly type: 'failed'; readonly code: EmbeddedServerErrorCode; readonly message: string };

/** Read a message from the child; undefined for anything else. */
export function readFromChild(message: unknown): FromChild | undefined {
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined;
  if (message.type === 'ready' && 'port' in message && 'engineVersion' in message) {
    const { port, engineVersion } = message;
    if (typeof port === 'number' && typeof engineVersion === 'string')
      return { type: 'ready', port, engineVersion };
  }
  if (message.type === 'failed' && 'code' in message && 'message' in message) {
    const { code, message: text } = message;
    if (isEmbeddedServerErrorCode(code) && typeof text === 'string')
      return { type: 'failed', code, message: text };
  }
  return undefined;
}

/** Read a message from the parent, which runs the same version of this code: only its outline is checked. */
export function readToChild(message: unknown): ToChild | undefined {
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined;
  if (message.type === 'stop' && 'graceMs' in message && typeof message.graceMs === 'number') {
    return { type: 'stop', graceMs: message.graceMs };
  }
  if (message.type === 'start' && 'options' in message)
    return { type: 'start', options: message.options as ServerOptions };
  return undefined;
}
