import { describe, expect, it } from 'vitest';
import type { AvroObject } from '#engine/topology/stream.ts';
import { WriterSchemas, announcementOf } from './writer-schemas.ts';

const schema = (type: unknown): AvroObject => ({
  type: 'record',
  name: 'weir.X',
  fields: [{ name: 'a', type }],
});

describe('writer schemas', () => {
  it('are found by fingerprint, as number or text, and by registry id', () => {
    const writers = new WriterSchemas();
    const added = writers.add(schema('int'), 7);
    expect(writers.byFingerprint(added.fingerprint)).toBe(added);
    expect(writers.byFingerprint(added.fingerprint.toString(16))).toBe(added);
    expect(writers.byConfluentId(7)).toBe(added);
    expect(writers.byConfluentId(8)).toBeUndefined();
  });

  it('travel by announcements', () => {
    const announced = announcementOf(new WriterSchemas().add(schema('int')), 1000, 7);
    const writers = new WriterSchemas();
    const added = writers.addAnnouncement(announced);
    expect(added.schema).toStrictEqual(schema('int'));
    expect(writers.byFingerprint(announced.fingerprint)).toBe(added);
    expect(writers.byConfluentId(7)).toBe(added);
  });

  it('are refused when an announcement contradicts itself', () => {
    const announced = announcementOf(new WriterSchemas().add(schema('int')), 1000);
    const writers = new WriterSchemas();
    expect(() => writers.addAnnouncement({ ...announced, fingerprint: '0000000000000001' })).toThrow(
      /announced as 0000000000000001, but its fingerprint is [0-9a-f]{16}/,
    );
    expect(() => writers.addAnnouncement({ ...announced, schema: '{' })).toThrow(/is not JSON/);
  });

  it('are refused when a fingerprint or an id would stand for two meanings', () => {
    const writers = new WriterSchemas();
    writers.add(schema({ type: 'long', logicalType: 'timestamp-millis' }), 1);
    expect(() => writers.add(schema({ type: 'long', logicalType: 'timestamp-micros' }))).toThrow(
      /other logical types/,
    );
    expect(() => writers.add(schema('string'), 1)).toThrow(/registry id 1 already stands for weir.X/);
    expect(() => writers.add(schema({ type: 'long', logicalType: 'timestamp-millis' }), 1)).not.toThrow();
  });
});
