/** Avro object container files of one record type, written as a stream and read whole. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import avro from 'avsc';
import { avroType } from '../codec/avro-type.ts';
import { EngineError } from '../engine-error.ts';
import type { RecordSchema } from '../topology/stream.ts';

/** Writes values to a file as they come. Errors (a full disk, say) show in `append` or `close`, naming the file. */
export class AvroFileWriter<T> {
  readonly path: string;
  readonly #encoder: avro.streams.BlockEncoder;
  readonly #written: Promise<void>;
  #error: unknown;
  #count = 0;

  private constructor(path: string, schema: RecordSchema<T>) {
    this.path = path;
    this.#encoder = new avro.streams.BlockEncoder(avroType(schema.schema), {
      codec: 'deflate',
    });
    this.#written = pipeline(this.#encoder, createWriteStream(path, { flags: 'wx' })).catch(
      (error: unknown) => {
        this.#error = error;
      },
    );
  }

  /** Makes the file; it must not exist yet. */
  static async create<T>(path: string, schema: RecordSchema<T>): Promise<AvroFileWriter<T>> {
    try {
      await mkdir(dirname(path), { recursive: true });
    } catch (error) {
      throw new EngineError('recording', `cannot write ${path}: ${String(error)}`, { cause: error });
    }
    return new AvroFileWriter(path, schema);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether more is waiting to be written than a slow disk should be given. */
  get isSaturated(): boolean {
    return this.#encoder.writableNeedDrain;
  }

  append(value: T): void {
    this.#throwIfFailed();
    this.#encoder.write(value);
    this.#count += 1;
  }

  /** Resolves when all bytes are with the operating system. */
  async close(): Promise<void> {
    if (this.#error === undefined) this.#encoder.end();
    await this.#written;
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#error === undefined) return;
    const reason = this.#error instanceof Error ? this.#error.message : 'unknown error';
    throw new EngineError('recording', `cannot write ${this.path}: ${reason}`, { cause: this.#error });
  }
}

/** All values of a file. The number must be `expected`: a truncated file is an error that names the file. */
export async function readAvroFile<T>(
  path: string,
  schema: RecordSchema<T>,
  expected: number,
): Promise<readonly T[]> {
  const values: T[] = [];
  const readerType = avroType(schema.schema);
  const decoder = new avro.streams.BlockDecoder({
    parseHook: (written) => avroType(written as never),
    readerSchema: readerType,
  });
  try {
    await pipeline(createReadStream(path), decoder, async (source: AsyncIterable<T>) => {
      for await (const value of source) values.push(value);
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError('recording', `cannot read ${path}: ${reason}`, { cause: error });
  }
  if (values.length !== expected) {
    throw new EngineError(
      'recording',
      `${path} holds ${values.length} records where its manifest says ${expected}: it is truncated or was changed`,
    );
  }
  return values;
}
