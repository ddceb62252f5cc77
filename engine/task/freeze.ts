/** Deep freezing of plain values, for the strict mode of tests and replays: a handler that changes its input throws. */

/** What is frozen all the way down: a value that a processor froze itself may hold parts that are not. */
const deeplyFrozen = new WeakSet<object>();

/** Freezes a value of records, arrays and maps all the way down and returns it. Bytes cannot be frozen and are left. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || deeplyFrozen.has(value))
    return value;
  Object.freeze(value);
  deeplyFrozen.add(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
