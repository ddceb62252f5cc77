/**
 * Native as a client with `client_protocol_version` expects it: the official Grafana data source and other users of
 * clickhouse-go. The embedded engine writes Native for revision 0; later revisions carry a little more
 * (src/Formats/NativeWriter.cpp), which is put in here.
 *
 * I1. Values stay byte for byte as the engine wrote them.
 * I2. A column is held in memory while it passes; the answer is not.
 */
import { Transform } from 'node:stream';
import { type Cursor, Incomplete, readString, readVarUint, skipColumn } from './native-columns.ts';

/** From here on a byte after the type says how the column is serialized. */
const withCustomSerialization = 54_454;

/** Field 1, not overflows; field 2, bucket -1; end of fields. */
const blockInfo = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);
const defaultSerialization = Buffer.from([0]);

interface BlockPosition {
  rows: number;
  columnsLeft: number;
}

/** Take what is complete from the front. Returns the bytes to send and how many were taken. */
function convert(
  bytes: Buffer,
  block: BlockPosition,
  hasSerialization: boolean,
): { readonly out: Buffer[]; readonly taken: number } {
  const out: Buffer[] = [];
  const cursor: Cursor = { bytes, at: 0 };
  let taken = 0;
  try {
    while (taken < bytes.length) {
      if (block.columnsLeft === 0) {
        const columns = readVarUint(cursor);
        block.rows = readVarUint(cursor);
        block.columnsLeft = columns;
        out.push(blockInfo, bytes.subarray(taken, cursor.at));
      } else {
        readString(cursor);
        const type = readString(cursor);
        const dataAt = cursor.at;
        skipColumn(cursor, type, block.rows);
        out.push(bytes.subarray(taken, dataAt));
        if (hasSerialization) out.push(defaultSerialization);
        out.push(bytes.subarray(dataAt, cursor.at));
        block.columnsLeft--;
      }
      taken = cursor.at;
    }
  } catch (error) {
    if (!(error instanceof Incomplete)) throw error;
  }
  return { out, taken };
}

/** A stream that turns Native of revision 0 into that of `revision` (above 0). */
export function nativeRevision(revision: number): Transform {
  const block: BlockPosition = { rows: 0, columnsLeft: 0 };
  let parts: Buffer[] = [];
  let length = 0;
  // Doubling what must be there before the next try keeps the work in proportion to the size of a column.
  let enough = 0;
  const advance = (stream: Transform): void => {
    const bytes = Buffer.concat(parts);
    const { out, taken } = convert(bytes, block, revision >= withCustomSerialization);
    for (const part of out) stream.push(part);
    parts = [bytes.subarray(taken)];
    length = bytes.length - taken;
    enough = 2 * length;
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      parts.push(chunk);
      length += chunk.length;
      if (length < enough) {
        done();
        return;
      }
      try {
        advance(this);
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
    flush(done): void {
      try {
        advance(this);
        done(length === 0 ? null : new Error('the Native answer of the engine is cut off'));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
}
