import fc from 'fast-check';
import { expect, test } from 'vitest';
import { avroType } from '../codec/avro-type.ts';
import { keyEntrySchema } from '../records/generated.ts';
import { hasTimers } from './state-codec.ts';

const type = avroType(keyEntrySchema.schema);

test('whether an entry has timers is seen without decoding it', () => {
  const timer = fc.record({ name: fc.string(), time_ms: fc.integer() });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(0, 63, 64, 8_191, 8_192, 2 ** 20, 2 ** 20 + 1).map((length) => new Uint8Array(length)),
  );
  const entry = fc.record({
    state: fc.option(bytes.map((one) => Buffer.from(one))),
    timers: fc.array(timer, { maxLength: 3 }),
    seen: fc.array(fc.string(), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(entry, (one) => {
      expect(hasTimers(type.toBuffer(one))).toBe(one.timers.length > 0);
    }),
  );
});
