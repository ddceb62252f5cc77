/**
 * A task's state as changelog entries: one for each key (state, timers and seen ids together), one for each row of a
 * broadcast table, one for the task itself (watermark, wall time, positions), one with the schema of the states.
 *
 * A changelog key is one byte of kind, then UTF-8 text; a table row's text is the table's name, a zero byte, the row's key.
 */
import type { Type as AvroType } from 'avsc';
import { avroType } from '../codec/avro-type.ts';
import { EngineError } from '../engine-error.ts';
import { keyEntrySchema, taskMetaSchema, type KeyEntry, type TaskMeta } from '../records/generated.ts';
import type { StateDefinition } from '../topology/processor.ts';
import type { AvroObject } from '../topology/stream.ts';
import type { KeyContent } from './key-store.ts';
import type { ChangelogEntry } from './task-io.ts';

const kinds = { key: 0x6b, meta: 0x6d, row: 0x62, schema: 0x73 } as const;

export const metaKey = Buffer.from([kinds.meta]);
export const schemaKey = Buffer.from([kinds.schema]);

export function keyEntryKey(key: string): Buffer {
  return prefixed(kinds.key, key);
}

export function tableRowKey(table: string, key: string): Buffer {
  return prefixed(kinds.row, `${table}\0${key}`);
}

function prefixed(kind: number, text: string): Buffer {
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text));
  bytes[0] = kind;
  bytes.write(text, 1);
  return bytes;
}

export type ParsedKey =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'row'; readonly table: string; readonly key: string }
  | { readonly kind: 'meta' }
  | { readonly kind: 'schema' };

export function parseChangelogKey(bytes: Buffer): ParsedKey {
  const text = bytes.toString('utf8', 1);
  switch (bytes[0]) {
    case kinds.key:
      return { kind: 'key', key: text };
    case kinds.row: {
      const zero = text.indexOf('\0');
      return { kind: 'row', table: text.slice(0, zero), key: text.slice(zero + 1) };
    }
    case kinds.meta:
      return { kind: 'meta' };
    case kinds.schema:
      return { kind: 'schema' };
    case undefined:
    default:
      throw new EngineError(
        'state-schema',
        `changelog key ${bytes.toString('hex')} is of no known kind; was it written by a newer Weir?`,
      );
  }
}

const keyEntryType = avroType(keyEntrySchema.schema);
const taskMetaType = avroType(taskMetaSchema.schema);

export function encodeMeta(meta: TaskMeta): Buffer {
  return taskMetaType.toBuffer(meta);
}

export function decodeMeta(bytes: Buffer): TaskMeta {
  return taskMetaType.fromBuffer(bytes) as TaskMeta;
}

/** Encodes and decodes the states of one processor, resolving states of an older version by Avro's rules. */
export class StateCodec {
  readonly #processor: string;
  readonly #definition: StateDefinition<unknown>;
  readonly #type: AvroType;
  /** Reads states of an older version; undefined while they are of the present one. */
  #resolver: ReturnType<AvroType['createResolver']> | undefined;

  constructor(processor: string, definition: StateDefinition<unknown>) {
    this.#processor = processor;
    this.#definition = definition;
    this.#type = avroType(definition.schema.schema);
  }

  /** The schema entry: written with a task's first commit, and again when the schema has changed. */
  schemaEntry(): ChangelogEntry {
    const { schema, version } = this.#definition;
    return { key: schemaKey, value: Buffer.from(JSON.stringify({ version, schema: schema.schema })) };
  }

  /** Takes the schema entry found in a changelog. Returns true when states must be written again under the present one. */
  useWriter(entry: Buffer): boolean {
    const { version, schema } = JSON.parse(entry.toString('utf8')) as { version: number; schema: AvroObject };
    const current = this.#definition;
    if (JSON.stringify(schema) === JSON.stringify(current.schema.schema)) return false;
    if (version >= current.version) {
      throw new EngineError(
        'state-schema',
        `processor '${this.#processor}': its state was written by version ${version} of ${current.schema.name} and this build's version ${current.version} differs; raise the state's version with each change of its schema, and do not go back`,
      );
    }
    const writer = avroType(schema);
    try {
      this.#resolver = this.#type.createResolver(writer);
    } catch (error) {
      throw new EngineError(
        'state-schema',
        `processor '${this.#processor}': states of version ${version} cannot be read as version ${current.version}: ${String(error)}`,
        { cause: error },
      );
    }
    return true;
  }

  /** Encodes what is known of a key; null (a tombstone) when nothing is. Throws naming the key if the state does not fit its schema. */
  encode(content: KeyContent): Buffer | null {
    const { key, state, timers, seen } = content;
    if (state === undefined && timers.length === 0 && seen.length === 0) return null;
    return keyEntryType.toBuffer({
      state: state === undefined ? null : this.encodeState(key, state),
      timers: [...timers].sort(byName).map((timer) => ({ name: timer.name, time_ms: timer.timeMs })),
      seen,
    });
  }

  encodeState(key: string, state: unknown): Buffer {
    try {
      return this.#type.toBuffer(state);
    } catch (error) {
      throw new EngineError(
        'handler-bug',
        `processor '${this.#processor}': the state of key '${key}' does not fit ${this.#definition.schema.name}: ${String(error)}`,
        { cause: error },
      );
    }
  }

  decode(key: string, bytes: Buffer): KeyContent {
    const entry = keyEntryType.fromBuffer(bytes) as KeyEntry;
    return {
      key,
      state: entry.state === null ? undefined : this.#decodeState(entry.state),
      timers: entry.timers.map((timer) => ({ name: timer.name, timeMs: timer.time_ms })),
      seen: entry.seen,
    };
  }

  #decodeState(bytes: Buffer): unknown {
    return this.#resolver === undefined
      ? this.#type.fromBuffer(bytes)
      : this.#type.fromBuffer(bytes, this.#resolver);
  }
}

/**
 * Whether an encoded KeyEntry has timers, without decoding it. Its first field is a union of null and bytes, its second the array
 * of timers, which begins with its length: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
 */
export function hasTimers(entry: Buffer): boolean {
  let at = 1;
  if (entry[0] !== 0) {
    let length = 0;
    let scale = 0.5; // Zigzag: a length is not negative, so it is half of what is written.
    for (;;) {
      const byte = entry[at]!;
      at += 1;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    at += length;
  }
  return entry[at] !== 0;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
