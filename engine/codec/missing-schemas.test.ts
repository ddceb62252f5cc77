import { expect, it } from 'vitest';
import { MissingSchemas } from './missing-schemas.ts';

function framed(schemaId: number, body = 0): Buffer {
  const value = Buffer.alloc(6, body);
  value[0] = 0;
  value.writeUInt32BE(schemaId, 1);
  return value;
}

it('counts the time of each schema from the first event that lacks it', () => {
  const missing = new MissingSchemas(100, 10);
  expect(missing.isOverdue(framed(1), 0)).toBe(false);
  expect(missing.isOverdue(framed(2), 99)).toBe(false);
  expect(missing.isOverdue(framed(1, 7), 100)).toBe(true);
  expect(missing.isOverdue(framed(2), 100)).toBe(false);
  expect(missing.isOverdue(framed(1), 5_000)).toBe(true);
});

it('remembers a bounded number of them', () => {
  const missing = new MissingSchemas(100, 2);
  for (const id of [1, 2, 3]) missing.isOverdue(framed(id), 0);
  expect(missing.isOverdue(framed(3), 100)).toBe(true);
  expect(missing.isOverdue(framed(1), 100)).toBe(false);
});

it('waits for none where there is nothing to wait for', () => {
  expect(new MissingSchemas(0, 10).isOverdue(framed(1), 0)).toBe(true);
});
