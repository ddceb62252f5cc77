/**
 * Kafka's default partitioning: murmur2 of the key bytes, as org.apache.kafka.common.utils.Utils.murmur2 (seed
 * 0x9747b28c), made positive by dropping the sign bit, modulo the number of partitions. Every Weir producer uses it, so
 * that records of one entity from different producers meet in one partition.
 */

const seed = 0x9747b28c;
const m = 0x5bd1e995;

/** 32-bit signed murmur2 of `data`. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  let h = seed ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  const rest = length - i;
  if (rest >= 3) h ^= data[i + 2]! << 16;
  if (rest >= 2) h ^= data[i + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ data[i]!, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h | 0;
}

/** The partition that Kafka's Java client chooses for a non-null key. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
