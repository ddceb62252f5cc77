import { expect, it } from 'vitest';
import { WriterSchemas } from '../../codec/writer-schemas.ts';
import type { LogRecord } from '../../log/log.ts';
import { SchemaGate } from './schema-gate.ts';

const waitMs = 10_000;

/** A record that looks as if it were written with a schema of that number, by Confluent's framing. */
function framed(offset: number, schemaId: number): LogRecord {
  const value = Buffer.alloc(8);
  value.writeUInt32BE(schemaId, 1);
  return { offset, key: Buffer.from('key'), value, timestampMs: 0, headers: {} };
}

it('holds a record back until its schema is overdue', () => {
  const gate = new SchemaGate(new WriterSchemas(), waitMs);
  const records = [{ ...framed(0, 1), value: Buffer.from('no frame') }, framed(1, 7)];
  expect(gate.firstHeld(records, 0, 0, false)).toBe(1);
  expect(gate.firstHeld(records, 0, waitMs - 1, false)).toBe(1);
  expect(gate.firstHeld(records, 0, waitMs, false)).toBe(-1);
});

it('waits for all unknown schemas of the records at hand at the same time', () => {
  const gate = new SchemaGate(new WriterSchemas(), waitMs);
  const garbage = Array.from({ length: 500 }, (_, i) => framed(i, 1_000 + i));
  expect(gate.firstHeld(garbage, 0, 0, false)).toBe(0);
  expect(gate.firstHeld(garbage, 0, waitMs, false)).toBe(-1);
});

it('waits for them briefly where haste is called for', () => {
  const gate = new SchemaGate(new WriterSchemas(), waitMs);
  const records = [framed(0, 7)];
  expect(gate.firstHeld(records, 0, 0, true)).toBe(0);
  expect(gate.firstHeld(records, 0, 500, false)).toBe(0);
  expect(gate.firstHeld(records, 0, 500, true)).toBe(-1);
});
