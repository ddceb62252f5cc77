/** How long bytes that look like frames of schemas that nobody announces hold their partition up. */
import { describe, expect, it } from 'vitest';
import { WriterSchemas } from '../../codec/writer-schemas.ts';
import type { LogRecord } from '../../log/log.ts';
import { PartitionGate } from './partition-gate.ts';
import { SchemaGate } from './schema-gate.ts';

const waitMs = 10_000;
const atHand = 512;
const minuteMs = 60_000;

/** Records that look as if each were written with a schema of its own, from that number on. */
const garbageFrom = (first: number): LogRecord[] =>
  Array.from({ length: atHand }, (_, i) => {
    const value = Buffer.alloc(8);
    value.writeUInt32BE(first + i, 1);
    return { offset: first + i, key: Buffer.from('key'), value, timestampMs: 0, headers: {} };
  });

/** A partition's gate, asked every 100 ms. */
class Partition {
  nowMs = 0;
  readonly troubles: string[] = [];
  readonly gate: PartitionGate;

  constructor(gate: SchemaGate, name = 'things/3') {
    this.gate = new PartitionGate(gate, name, ({ code, message }) =>
      this.troubles.push(`${code}: ${message}`),
    );
  }

  /** How long records are held, in milliseconds. */
  pass(records: readonly LogRecord[]): number {
    const startMs = this.nowMs;
    for (; this.gate.firstHeld(records, 0, this.nowMs) >= 0; this.nowMs += 100);
    return this.nowMs - startMs;
  }
}

describe('garbage that looks like frames', () => {
  it('holds its partition up for a whole wait once, and then for moments, and is told once', () => {
    const partition = new Partition(new SchemaGate(new WriterSchemas(), waitMs));
    const held = Array.from({ length: 130 }, (_, i) => partition.pass(garbageFrom(1 + i * atHand)));
    expect(held.slice(0, 3)).toEqual([waitMs, 500, 500]);
    expect(Math.max(...held.slice(1))).toBe(500);
    expect(partition.troubles).toEqual([
      expect.stringMatching(/^unknown-schema: things\/3, offset 1: .*10 s/),
    ]);
  });

  it('is waited for again, and told again, after a minute without it', () => {
    const partition = new Partition(new SchemaGate(new WriterSchemas(), waitMs));
    partition.pass(garbageFrom(0));
    partition.nowMs += minuteMs;
    expect(partition.pass(garbageFrom(atHand))).toBe(waitMs);
    expect(partition.troubles).toHaveLength(2);
  });

  it('makes no other partition hasty', () => {
    const gate = new SchemaGate(new WriterSchemas(), waitMs);
    const [one, other] = [new Partition(gate), new Partition(gate, 'things/4')];
    one.pass(garbageFrom(0));
    expect(other.pass(garbageFrom(atHand))).toBe(waitMs);
  });
});

it("a schema that comes while it is waited for ends nobody's patience", () => {
  const writers = new WriterSchemas();
  const partition = new Partition(new SchemaGate(writers, waitMs));
  const [record] = garbageFrom(7);
  expect(partition.gate.firstHeld([record!], 0, 0)).toBe(0);
  writers.add({ type: 'record', name: 'Thing', fields: [] }, 7);
  partition.nowMs = 5_000;
  expect(partition.pass([record!])).toBe(0);
  expect(partition.pass(garbageFrom(1_000))).toBe(waitMs);
  expect(partition.troubles).toHaveLength(1);
});

it("a schema that came in time ends nobody's patience, however late the gate is asked again", () => {
  const writers = new WriterSchemas();
  const partition = new Partition(new SchemaGate(writers, waitMs));
  const [record] = garbageFrom(7);
  expect(partition.gate.firstHeld([record!], 0, 0)).toBe(0);
  writers.add({ type: 'record', name: 'Thing', fields: [] }, 7);
  partition.nowMs = waitMs + 2_000;
  expect(partition.pass([record!])).toBe(0);
  expect(partition.troubles).toEqual([]);
  expect(partition.pass(garbageFrom(1_000))).toBe(waitMs);
});
