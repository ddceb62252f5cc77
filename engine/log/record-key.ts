/** Comparing a record's key without making anything of it: most tasks need to know no more. */
import type { LogRecord } from './log.ts';

/** Whether the key of a record is this text in UTF-8; with null, whether it has none. */
export function recordKeyIs(record: LogRecord, text: string | null): boolean {
  if (record.keyIs !== undefined) return record.keyIs(text);
  return text === null ? record.key === null : record.key?.toString('utf8') === text;
}

/** Whether the bytes from `start` on, as many as the text has characters, are `text`, and all of it is ASCII. */
export function isAsciiAt(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f || bytes[start + i] !== code) return false;
  }
  return true;
}
