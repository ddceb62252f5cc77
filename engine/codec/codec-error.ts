/**
 * Errors of the codec. `code` is stable and for programs; the message names the schema, the field and what to do.
 */

export type CodecErrorCode =
  /** An `.avsc` file or a schema received is not one that Weir can use. */
  | 'invalid-schema'
  /** A schema change breaks readers, writers, tables or joins. */
  | 'incompatible-schema'
  /** A value does not fit its schema. */
  | 'invalid-value'
  /** Two writer schemas claim one fingerprint or registry id. */
  | 'schema-conflict';

export type DecodeErrorCode =
  /** No bytes at all. */
  | 'empty'
  /** The first bytes are neither Confluent's nor Avro's single-object marker. */
  | 'unknown-magic'
  /** The writer's schema has not been announced (yet): retryable. */
  | 'unknown-schema'
  /** The writer's schema is known, but cannot be read as the reader's. */
  | 'unreadable-schema'
  /** The bytes end inside a value. */
  | 'truncated'
  /** Bytes are left over after the value. */
  | 'trailing-bytes'
  /** The bytes are not an encoding of the writer's schema: a bad union or enum index, an unsafe long, a bad uuid. */
  | 'malformed';

/** A schema or a value that cannot be used. `problems` lists every single finding, each with its place. */
export class CodecError extends Error {
  override readonly name: string = 'CodecError';
  readonly code: CodecErrorCode | DecodeErrorCode;
  readonly retryable: boolean;
  readonly problems: readonly string[];

  constructor(code: CodecErrorCode | DecodeErrorCode, problems: readonly string[], cause?: unknown) {
    super(problems.join('\n'), cause === undefined ? undefined : { cause });
    this.code = code;
    this.problems = problems;
    this.retryable = code === 'unknown-schema';
  }
}

/** Bytes that are not an event of the expected schema; `reason` is fit for a dead letter. */
export class DecodeError extends CodecError {
  override readonly name = 'DecodeError';
  declare readonly code: DecodeErrorCode;
  /** The field at which decoding failed, as a path from the record (`disks.0.name`); undefined outside any field. */
  readonly field: string | undefined;

  constructor(code: DecodeErrorCode, reason: string, options: { field?: string; cause?: unknown } = {}) {
    super(code, [reason], options.cause);
    this.field = options.field;
  }

  get reason(): string {
    return this.message;
  }
}
