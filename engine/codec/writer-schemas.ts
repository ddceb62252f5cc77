/**
 * The schemas that events were written with, by fingerprint and by schema-registry id. Fed from the compacted topic
 * `weir.schemas`, and with this build's own schemas.
 *
 * I1  A fingerprint stands for one meaning: a schema of the same canonical form with other logical types is refused.
 * I2  A registry id stands for one schema; a schema may have several.
 */
import type { AvroObject } from '#engine/topology/stream.ts';
import type { SchemaAnnouncement } from '../records/generated.ts';
import { CodecError } from './codec-error.ts';
import { fingerprintHex, fingerprintOf, meaningOf } from './fingerprint.ts';
import { parseRecord } from './schema-node.ts';
import type { RecordNode } from './schema-node.ts';

/** A schema that events were written with. */
export interface WriterSchema {
  /** CRC-64-AVRO of the canonical form. */
  readonly fingerprint: bigint;
  /** Full name of the record. */
  readonly name: string;
  readonly schema: AvroObject;
  readonly record: RecordNode;
}

export class WriterSchemas {
  readonly #byFingerprint = new Map<bigint, WriterSchema>();
  readonly #byConfluentId = new Map<number, WriterSchema>();

  /**
   * Adds a schema, and its registry id if it has one; adding it again changes nothing. Throws a CodecError:
   * `invalid-schema`, or `schema-conflict` if its fingerprint or id already stands for another schema.
   */
  add(schema: AvroObject, confluentId?: number): WriterSchema {
    const record = parseRecord(schema);
    const fingerprint = fingerprintOf(schema);
    const known = this.#byFingerprint.get(fingerprint);
    if (known !== undefined && meaningOf(known.record) !== meaningOf(record)) {
      throw new CodecError('schema-conflict', [
        `${record.name}: fingerprint ${fingerprintHex(fingerprint)} already stands for a schema with other logical types; ` +
          'give the changed field a new name',
      ]);
    }
    const writer = known ?? { fingerprint, name: record.name, schema, record };
    if (confluentId !== undefined) this.#addId(confluentId, writer);
    this.#byFingerprint.set(fingerprint, writer);
    return writer;
  }

  #addId(id: number, writer: WriterSchema): void {
    const known = this.#byConfluentId.get(id);
    if (known !== undefined && known.fingerprint !== writer.fingerprint) {
      throw new CodecError('schema-conflict', [
        `${writer.name}: registry id ${id} already stands for ${known.name} ${fingerprintHex(known.fingerprint)}; are two registries in use?`,
      ]);
    }
    this.#byConfluentId.set(id, writer);
  }

  /** Adds what a record of `weir.schemas` announces. Throws as `add` does, and if the fingerprint is not the schema's. */
  addAnnouncement(announcement: SchemaAnnouncement): WriterSchema {
    const { fingerprint, name, schema: text, confluent_id: confluentId } = announcement;
    let schema: AvroObject;
    try {
      schema = JSON.parse(text) as AvroObject;
    } catch (cause) {
      throw new CodecError('invalid-schema', [`announced schema ${name} ${fingerprint} is not JSON`], cause);
    }
    const actual = fingerprintHex(fingerprintOf(schema));
    if (actual !== fingerprint) {
      throw new CodecError('invalid-schema', [
        `announced schema ${name}: announced as ${fingerprint}, but its fingerprint is ${actual}`,
      ]);
    }
    return this.add(schema, confluentId ?? undefined);
  }

  /** Every schema known, as announcements: one for each registry id, and one for each schema without one. */
  announcements(announcedAtMs: number): readonly SchemaAnnouncement[] {
    const registered = [...this.#byConfluentId].map(([id, writer]) =>
      announcementOf(writer, announcedAtMs, id),
    );
    const named = new Set(registered.map((announcement) => announcement.fingerprint));
    const others = [...this.#byFingerprint.values()].map((writer) => announcementOf(writer, announcedAtMs));
    return [...registered, ...others.filter((announcement) => !named.has(announcement.fingerprint))];
  }

  /** The schema of a fingerprint, given as a number or as 16 hexadecimal digits; undefined if it is not known (yet). */
  byFingerprint(fingerprint: bigint | string): WriterSchema | undefined {
    return this.#byFingerprint.get(
      typeof fingerprint === 'string' ? BigInt(`0x${fingerprint}`) : fingerprint,
    );
  }

  /** The schema of a registry id; undefined if it is not known (yet). */
  byConfluentId(id: number): WriterSchema | undefined {
    return this.#byConfluentId.get(id);
  }
}

/**
 * The Kafka key of an announcement. The registry id is part of it: an announcement without an id, or with another one, must
 * not have this one compacted away. No key is the fingerprint alone, as in older builds: theirs stay too.
 */
export function announcementKey({ fingerprint, confluent_id: confluentId }: SchemaAnnouncement): string {
  return `${fingerprint}/${confluentId ?? 'none'}`;
}

/** What a writer publishes on `weir.schemas` before its first record with this schema. */
export function announcementOf(
  writer: WriterSchema,
  announcedAtMs: number,
  confluentId?: number,
): SchemaAnnouncement {
  return {
    fingerprint: fingerprintHex(writer.fingerprint),
    name: writer.name,
    schema: JSON.stringify(writer.schema),
    confluent_id: confluentId ?? null,
    announced_at: announcedAtMs,
  };
}
