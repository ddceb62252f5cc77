import { expect, test } from 'vitest';
import { streamWith } from './every-type.fixture.ts';
import { rowReader } from './row-reader.ts';
import { tableOf } from './tables.ts';

const read = rowReader(
  tableOf(
    {
      ...streamWith([{ name: 'serial', type: 'long' }]),
      kind: 'table',
      key: { field: 'serial', entity: 'thing' },
    },
    'd',
  ),
  () => undefined,
);

test.each([
  ['0', 0],
  ['-17', -17],
  ['1234567890123456', 1_234_567_890_123_456],
  ['9007199254740991', 9_007_199_254_740_991],
  ['-9007199254740991', -9_007_199_254_740_991],
  // No record has these either: a codec reads no long that is no exact number.
  ['9007199254740993', undefined],
  ['12345678901234567', undefined],
  ['1e3', undefined],
  ['', undefined],
])("a tombstone of the whole number '%s'", (text, serial) => {
  const found = read({ offset: 3, key: Buffer.from(text), value: null, timestampMs: 5, headers: {} });
  if (serial === undefined) expect(found).toMatchObject({ code: 'key-invalid' });
  else expect(found).toMatchObject({ deleted: true, event: { serial } });
});
