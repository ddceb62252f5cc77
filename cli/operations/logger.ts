/**
 * The log of a long run: lines for people, or one JSON object a line for machines. Not pino: what is logged here are some
 * lines a minute, and its worker threads and transports are eleven packages for that.
 *
 * I1  An entry is one write of whole lines; in JSON exactly one line, whatever is in the message.
 * I2  The same trouble (code and place) is told once in 10 s; the next time it says how often it was left out. What is left
 *     untold at the end is told by `close`. What says each time something of its own (`isAlwaysTold`) is never left out.
 * I3  User names and passwords in addresses, and the secrets that it was given, are never written.
 */
import { LogThrottle } from './log-throttle.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/** Plain data: workers send theirs to their parent, who writes them. */
export interface LogEntry {
  readonly level: LogLevel;
  /** Without the place, which has fields of its own. */
  readonly message: string;
  /** `up`, `worker`, `engine`, `sink`, `operations` ... */
  readonly component: string;
  readonly worker?: number;
  /** `<processor>-<partition>` */
  readonly task?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  /** Of the error. Entries with a code are throttled (I2). */
  readonly code?: string;
}

export interface LoggerConfig {
  readonly format: LogFormat;
  /** The least to be written. */
  readonly level: LogLevel;
  /** Takes whole lines, with their ends. */
  readonly write: (lines: string) => void;
  /** Never to be written. */
  readonly secrets?: readonly string[];
  /** Milliseconds since the epoch. Date.now by default. */
  readonly nowMs?: () => number;
}

export interface Logger {
  log(entry: LogEntry): void;
  /** Tells what was left out. Nothing is to be logged after it. */
  close(): void;
}

/** Codes of entries of which each says something that no other one says: `views-in-doubt` has statements that are to be run. */
const alwaysTold: ReadonlySet<string | undefined> = new Set(['views-in-doubt']);

/** Whether an entry is never to be left out in favour of others of its code and place. */
export const isAlwaysTold = ({ code }: LogEntry): boolean => alwaysTold.has(code);

/** `//user:password@` of an address. */
const credentials = /(\/\/)[^/\s@]+@/g;
const hidden = '***';

export function createLogger(config: LoggerConfig): Logger {
  const { format, level, write, nowMs = Date.now } = config;
  const least = logLevels.indexOf(level);
  // The longest first: one may be a part of another.
  const secrets = (config.secrets ?? [])
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length);
  const throttle = new LogThrottle<LogEntry>();
  const line = format === 'json' ? jsonLine : textLine;
  const redact = (text: string): string =>
    secrets.reduce(
      (rest, secret) => rest.replaceAll(secret, hidden),
      text.replace(credentials, `$1${hidden}@`),
    );
  const put = (entry: LogEntry, suppressed: number): void => {
    write(line({ ...entry, message: redact(entry.message) }, suppressed, nowMs()));
  };
  return {
    log(entry) {
      if (logLevels.indexOf(entry.level) < least) return;
      const suppressed =
        entry.code === undefined || isAlwaysTold(entry) ? 0 : throttle.pass(keyOf(entry), entry, nowMs());
      if (suppressed !== undefined) put(entry, suppressed);
    },
    close() {
      for (const { last, suppressed } of throttle.rest()) put(last, suppressed - 1);
    },
  };
}

function keyOf({ level, code, component, worker, task, topic, partition }: LogEntry): string {
  return JSON.stringify([level, code, component, worker, task, topic, partition]);
}

function jsonLine(entry: LogEntry, suppressed: number, nowMs: number): string {
  const { level, message, ...fields } = entry;
  const more = suppressed > 0 ? { suppressed } : {};
  return `${JSON.stringify({ time: new Date(nowMs).toISOString(), level, message, ...fields, ...more })}\n`;
}

/** As the other commands write their notes. */
function textLine(entry: LogEntry, suppressed: number): string {
  const { level, message, worker, task } = entry;
  const places = [worker === undefined ? '' : `worker ${worker}`, task === undefined ? '' : `task ${task}`];
  const place = places.filter((one) => one !== '' && !message.includes(one)).join(', ');
  const severity = level === 'error' ? 'error: ' : level === 'debug' ? 'debug: ' : '';
  const more = suppressed > 0 ? ` (and ${suppressed} more like this)` : '';
  const [first = '', ...rest] = `${severity}${place === '' ? '' : `${place}: `}${message}${more}`.split('\n');
  return [`weir: ${first}`, ...rest.map((one) => `  ${one}`)].map((one) => `${one}\n`).join('');
}
