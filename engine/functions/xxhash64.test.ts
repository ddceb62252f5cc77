import { expect, test } from 'vitest';
import { xxHash64, xxHash64Hex } from './xxhash64.ts';

// Source: the constants of the xxHash specification, computed; ClickHouse gives the same (tests/integration).
test.each<[string, bigint]>([
  ['', 17241709254077376921n],
  ['abc', 4952883123889572249n],
])("xxHash64 of '%s' is the published one", (text, hash) => {
  expect(xxHash64(text)).toBe(hash);
  expect(BigInt(`0x${xxHash64Hex(text)}`)).toBe(hash);
  expect(xxHash64Hex(text)).toHaveLength(16);
});
