/** Records that are kept longer than the bytes they were fetched in. */
import type { HeaderValue, LogRecord } from '#engine/log/log.ts';

/** A copy of a record, and how many bytes it takes. The record itself is a view of all that was fetched with it. */
export function keptRecord(record: LogRecord): { readonly record: LogRecord; readonly bytes: number } {
  const { offset, key, value, timestampMs } = record;
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  const keep = (of: HeaderValue): HeaderValue => {
    if (typeof of === 'string' || Buffer.isBuffer(of)) {
      bytes += of.length;
      return typeof of === 'string' ? of : Buffer.from(of);
    }
    return (of as readonly (string | Buffer)[]).map((one) => keep(one) as string | Buffer);
  };
  const headers = Object.fromEntries(
    Object.entries(record.headers).map(([name, of]) => {
      bytes += name.length;
      return [name, keep(of)];
    }),
  );
  const copy = (of: Buffer | null): Buffer | null => (of === null ? null : Buffer.from(of));
  return { record: { offset, key: copy(key), value: copy(value), timestampMs, headers }, bytes };
}
