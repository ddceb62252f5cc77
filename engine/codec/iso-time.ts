/** Times as people write them (ISO 8601), to the integers of Avro's logical types. */
import type { Logical } from './schema-node.ts';

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;
const DAY_MS = 86_400_000;

/**
 * The integer that ISO 8601 text stands for, in the unit of the logical type; undefined if it is no such text, names a
 * day that does not exist, lacks a zone, or has more digits than the unit holds.
 */
export function timeFromText(logical: Logical | undefined, text: string): number | undefined {
  if (logical?.name === 'date')
    return DATE.test(text) ? validDay(text, Date.parse(`${text}T00:00:00Z`)) : undefined;
  if (logical?.name !== 'timestamp-millis' && logical?.name !== 'timestamp-micros') return undefined;
  const [, day = '', time = '', fraction = '', zone = ''] = DATE_TIME.exec(text) ?? [];
  const isRealDay = day !== '' && validDay(day, Date.parse(`${day}T00:00:00Z`)) !== undefined;
  const seconds = Date.parse(`${day}T${time}${zone}`) / 1000;
  if (!isRealDay || Number.isNaN(seconds)) return undefined;
  const digits = logical.name === 'timestamp-millis' ? 3 : 6;
  // More digits than the type holds would be lost.
  if (/[1-9]/.test(fraction.slice(digits))) return undefined;
  return seconds * 10 ** digits + Number(fraction.slice(0, digits).padEnd(digits, '0'));
}

/** Days since the epoch; undefined for the 30th of February, which Date.parse takes for the 1st or 2nd of March. */
function validDay(text: string, timeMs: number): number | undefined {
  if (Number.isNaN(timeMs) || new Date(timeMs).toISOString().slice(0, 10) !== text) return undefined;
  return timeMs / DAY_MS;
}
