/**
 * Decompression of the records in a batch: Kafka's four codecs, by their numbers in a batch's attributes.
 *
 * Writing is librdkafka's or kafkajs's work; nothing here compresses.
 */
import zlib from 'node:zlib';
import { decompress as zstdInJavaScript } from 'fzstd';
import { uncompress as snappyBlock } from 'snappyjs';
import { EngineError } from '../../engine-error.ts';
import { decompressLz4Frames } from './lz4.ts';

/** The header that snappy-java writes before its blocks: magic, version, lowest compatible version. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Java clients write a stream of blocks with int32 lengths; librdkafka writes one block and nothing else. */
function snappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) return asBuffer(snappyBlock(bytes));
  const blocks: Uint8Array[] = [];
  for (let at = xerialHeaderBytes; at < bytes.length;) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || length > bytes.length - at)
      throw new RangeError(`a snappy block of ${length} bytes, ${bytes.length - at} are left`);
    blocks.push(snappyBlock(bytes.subarray(at, at + length)));
    at += length;
  }
  return Buffer.concat(blocks);
}

/** Node has zstd from 22.15 on, ten times faster than JavaScript. */
const native = (zlib as { readonly zstdDecompressSync?: (bytes: Buffer) => Buffer }).zstdDecompressSync;
const zstd = native ?? ((bytes: Buffer): Buffer => asBuffer(zstdInJavaScript(bytes)));

const codecs: readonly (((bytes: Buffer) => Buffer) | undefined)[] = [
  undefined,
  (bytes) => zlib.gunzipSync(bytes),
  snappy,
  decompressLz4Frames,
  zstd,
];

/** @param codec 1 gzip, 2 snappy, 3 LZ4, 4 Zstandard @throws EngineError `corrupt-batch` for another; the codec's own errors */
export function decompress(codec: number, bytes: Buffer): Buffer {
  const decoder = codecs[codec];
  if (decoder === undefined)
    throw new EngineError('corrupt-batch', `compression codec ${codec} is none of Kafka's`);
  return decoder(bytes);
}
