/** Deep freezing of plain values, for the strict mode of tests and replays: a handler that changes its input throws. */

/** Freezes a value of records, arrays and maps all the way down and returns it. Bytes cannot be frozen and are left. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
