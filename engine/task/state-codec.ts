/**
 * A task's state as changelog entries: one for each key (state, timers and seen ids together), one for each row of a
 * broadcast table, one for the task itself (watermark, wall time, positions), one with the schema of the states.
 *
 * A changelog key is one byte of kind, then UTF-8 text; a table row's text is the table's name, a zero byte, the row's key.
 */
import type { Type as AvroType } from 'avsc';
import { avroType } from '../codec/avro-type.ts';
import { ByteSlab } from '../codec/byte-slab.ts';
import { EngineError } from '../engine-error.ts';
import { keyEntrySchema, taskMetaSchema, type KeyEntry, type TaskMeta } from '../records/generated.ts';
import type { StateDefinition } from '../topology/processor.ts';
import type { AvroObject } from '../topology/stream.ts';
import type { KeyContent } from './key-store.ts';
import type { ChangelogEntry } from './task-io.ts';

const kinds = { key: 0x6b, meta: 0x6d, row: 0x62, schema: 0x73 } as const;

export const metaKey = Buffer.from([kinds.meta]);
export const schemaKey = Buffer.from([kinds.schema]);

/** Of all tasks of this thread. */
const slab = new ByteSlab();

/** Of one UTF-16 code unit. */
const maxUtf8Bytes = 3;

export function keyEntryKey(key: string): Buffer {
  return prefixed(kinds.key, key);
}

export function tableRowKey(table: string, key: string): Buffer {
  return prefixed(kinds.row, `${table}\0${key}`);
}

function prefixed(kind: number, text: string): Buffer {
  slab.reserve(1 + maxUtf8Bytes * text.length);
  const { bytes, at } = slab;
  bytes[at] = kind;
  return slab.cut(bytes, at, at + 1 + bytes.write(text, at + 1));
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
/** What comes in a KeyEntry after its state, by the names that the store has for it: Avro writes none. */
const restType = avroType({
  type: 'record',
  name: 'KeyEntryRest',
  fields: [
    {
      name: 'timers',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'TimerEntryRest',
          fields: [
            { name: 'name', type: 'string' },
            { name: 'timeMs', type: 'long' },
          ],
        },
      },
    },
    { name: 'seen', type: { type: 'array', items: 'string' } },
  ],
});
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

  /**
   * What is known of a key as a KeyEntry; null (a tombstone) when nothing is. Throws naming the key if the state does not fit its
   * schema. Written field by field into one slab: avsc would make a buffer of the state, and another one around it.
   */
  encode(content: KeyContent): Buffer | null {
    const { key, state, timers, seen } = content;
    if (state === undefined && timers.length === 0 && seen.length === 0) return null;
    const rest = timers.length < 2 ? content : { timers: [...timers].sort(byName), seen };
    slab.reserve(maxHeadBytes);
    for (;;) {
      const { bytes, at } = slab;
      const stateAt = at + maxHeadBytes;
      const stateEnd = state === undefined ? stateAt : this.#encodeAt(stateAt, key, state);
      if (stateEnd >= 0) {
        const start = state === undefined ? stateAt - 1 : writeStateHead(bytes, stateAt, stateEnd - stateAt);
        if (state === undefined) bytes[start] = 0;
        const end = restType.encode(rest, bytes, stateEnd);
        if (end >= 0) return slab.cut(bytes, start, end);
        slab.reserve(bytes.length - at - end);
      } else slab.reserve(bytes.length - at - stateEnd);
    }
  }

  /** Throws, naming the key, if a state does not fit its schema. */
  checkState(key: string, state: unknown): void {
    // Behind all that was cut, and written over by what comes next.
    this.#encodeAt(slab.at, key, state);
  }

  /** The end of the state in the slab; if it has not enough room, how much is missing, negative. */
  #encodeAt(at: number, key: string, state: unknown): number {
    try {
      return this.#type.encode(state, slab.bytes, at);
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

/** Of a union's branch and a length. */
const maxHeadBytes = 6;

/** Writes the branch and the length of a KeyEntry's state right before it. Returns where they begin. */
function writeStateHead(bytes: Buffer, stateAt: number, length: number): number {
  let headBytes = 1;
  for (let left = length * 2; left >= 0x80; left = Math.floor(left / 128)) headBytes += 1;
  const start = stateAt - headBytes - 1;
  bytes[start] = 2;
  let left = length * 2;
  for (let i = 1; i < headBytes; i += 1) {
    bytes[start + i] = (left & 0x7f) | 0x80;
    left = Math.floor(left / 128);
  }
  bytes[stateAt - 1] = left;
  return start;
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
