/**
 * xxHash64 (seed 0) of UTF-8 text, as ClickHouse's function `xxHash64` has it, so that SQL can recompute what a processor
 * decided by it. Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, by way of xxhash-wasm.
 */
import loadXxhash from 'xxhash-wasm';

const xxhash = await loadXxhash();

/** The hash as an unsigned 64-bit integer. */
export function xxHash64(text: string): bigint {
  return xxhash.h64(text);
}

/** The hash as 16 hexadecimal digits. */
export function xxHash64Hex(text: string): string {
  return xxhash.h64ToString(text).padStart(16, '0');
}
