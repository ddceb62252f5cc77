import fc from 'fast-check';
import { expect, test } from 'vitest';
import { avroType } from '../codec/avro-type.ts';
import { keyEntrySchema } from '../records/generated.ts';
import { hasTimers, keyEntryKey, parseChangelogKey, StateCodec } from './state-codec.ts';

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

test('a key is written as avsc writes a KeyEntry, whatever its lengths', () => {
  const state = {
    name: 'test.Text',
    schema: { type: 'record', name: 'Text', fields: [{ name: 'text', type: 'string' }] },
  };
  const codec = new StateCodec('p', { schema: state, version: 1, initial: () => ({ text: '' }) });
  const stateType = avroType(state.schema);
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    // A state's length takes another byte at 2^6, 2^13 and 2^20; a slab has 2^16.
    fc
      .nat({ max: 8 })
      .chain((d) => fc.constantFrom(60, 8_185, 65_530, 1_048_570).map((n) => 'x'.repeat(n + d))),
  );
  const content = fc.record({
    key: fc.string({ unit: 'binary' }),
    state: fc.option(fc.record({ text }), { nil: undefined }),
    timers: fc.uniqueArray(fc.record({ name: fc.string(), timeMs: fc.maxSafeInteger() }), {
      selector: ({ name }) => name,
      maxLength: 4,
    }),
    seen: fc.array(fc.string(), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(content, { minLength: 1, maxLength: 20 }), (contents) => {
      // All are kept before the first is looked at: none may be written over by a later one.
      const written = contents.map((one) => ({ one, key: keyEntryKey(one.key), value: codec.encode(one) }));
      for (const { one, key, value } of written) {
        expect(parseChangelogKey(key)).toEqual({ kind: 'key', key: Buffer.from(one.key).toString() });
        const isNothing = one.state === undefined && one.timers.length === 0 && one.seen.length === 0;
        const expected = type.toBuffer({
          state: one.state === undefined ? null : stateType.toBuffer(one.state),
          timers: one.timers
            .toSorted((a, b) => (a.name < b.name ? -1 : 1))
            .map(({ name, timeMs }) => ({ name, time_ms: timeMs })),
          seen: one.seen,
        });
        expect(value?.equals(expected) ?? null).toBe(isNothing ? null : true);
      }
    }),
  );
});
