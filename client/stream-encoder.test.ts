/** Announcements of one schema live side by side on the compacted `weir.schemas`. */
import { describe, expect, it } from 'vitest';
import { announcementOf, WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { schemas } from '#engine/records/generated.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { streamEncoder } from './stream-encoder.ts';

describe('announcements of one schema', () => {
  const writer = new WriterSchemas().add(linkStates.schema);
  const encoder = streamEncoder(schemas, new WriterSchemas(), undefined);
  const records = [undefined, 42, 43].map((confluentId) =>
    encoder.encode(announcementOf(writer, 1_000, confluentId), 'id', '/test'),
  );
  const fingerprint = announcementOf(writer, 0).fingerprint;

  it('have a key for each registry id and one without, none of them the fingerprint alone as in older builds', () => {
    expect(records.map(({ key }) => String(key))).toEqual([
      `${fingerprint}/none`,
      `${fingerprint}/42`,
      `${fingerprint}/43`,
    ]);
  });

  it.each([
    ['the one without an id last', [1, 2, 0]],
    ['the one without an id first', [0, 1, 2]],
  ])('are all known to who reads the topic after its compaction, %s', (_, order) => {
    const compacted = new Map(order.map((i) => [String(records[i]!.key), records[i]!.value!]));
    const known = new WriterSchemas();
    for (const value of compacted.values()) known.addAnnouncement(encoder.codec.decode(value));
    const [bare, ...ids] = [
      known.byFingerprint(fingerprint),
      known.byConfluentId(42),
      known.byConfluentId(43),
    ];
    expect(bare?.name).toBe(linkStates.name);
    expect(ids).toEqual([bare, bare]);
  });
});
