/** Records of a log as they lie in Avro files, and back. */
import type { HeaderValue, LogRecord } from '../log/log.ts';
import type { RecordedRecord } from '../records/generated.ts';

export function recordedRecord({ offset, timestampMs, key, value, headers }: LogRecord): RecordedRecord {
  return {
    offset,
    timestamp_ms: timestampMs,
    key,
    value,
    headers: Object.entries(headers).map(([name, header]) => ({ name, values: headerValues(header) })),
  };
}

function headerValues(header: HeaderValue): Buffer[] {
  const values = Array.isArray(header)
    ? (header as readonly (string | Buffer)[])
    : [header as string | Buffer];
  return values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value));
}

export function logRecord({ offset, timestamp_ms, key, value, headers }: RecordedRecord): LogRecord {
  const map: Record<string, HeaderValue> = {};
  for (const { name, values } of headers) map[name] = values.length === 1 ? values[0]! : values;
  return { offset, timestampMs: timestamp_ms, key, value, headers: map };
}
