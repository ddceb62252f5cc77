/**
 * CloudEvents 1.0 attributes in Kafka headers (binary content mode of the Kafka protocol binding).
 * Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
import type { Headers, LogRecord } from '../log/log.ts';

/** Headers of an event. `id` is unique within `source`; `type` is the full Avro name; `timeMs` is event time. */
export function cloudEventHeaders(id: string, source: string, type: string, timeMs: number): Headers {
  return {
    ce_specversion: '1.0',
    ce_id: id,
    ce_source: source,
    ce_type: type,
    ce_time: isoTime(timeMs),
  };
}

let lastTimeMs = NaN;
let lastText = '';

/** Events come in the order of time, many in a millisecond: the last text is kept (measured: 5 % of an embedded run). */
function isoTime(timeMs: number): string {
  if (timeMs !== lastTimeMs) {
    lastText = new Date(timeMs).toISOString();
    lastTimeMs = timeMs;
  }
  return lastText;
}

/** The text of a header, or undefined. Of a repeated header the first counts. */
export function headerText(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  const first = (value as readonly (string | Buffer)[])[0];
  return first === undefined ? undefined : first.toString();
}

/** The text of a record's header of an ASCII name, as `headerText` gives it, without the others being read where that can be. */
export function recordHeaderText(record: LogRecord, name: string): string | undefined {
  return record.headerText === undefined ? headerText(record.headers, name) : record.headerText(name);
}

/** Identity for de-duplication: `ce_source` and `ce_id`; undefined when either is missing. */
export function identityOf(headers: Headers): string | undefined {
  const source = headerText(headers, 'ce_source');
  const id = headerText(headers, 'ce_id');
  return source === undefined || id === undefined ? undefined : `${source}\n${id}`;
}
