/** Logical types whose TypeScript value differs from the underlying one, or is checked: decimal and uuid. */
import avro from 'avsc';
import { bytesOfUnscaled, decimalText, unscaledOf, unscaledOfBytes } from './decimal.ts';
import { MalformedError } from './strict-types.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether text is a UUID in the canonical lower-case form of RFC 9562. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** `uuid` on string: any case is taken, lower case is kept (ClickHouse's and RFC 9562's form). */
export class UuidType extends avro.types.LogicalType {
  protected override _toValue(value: unknown): unknown {
    if (typeof value !== 'string') return undefined;
    if (UUID.test(value)) return value;
    const lower = value.toLowerCase();
    return UUID.test(lower) ? lower : undefined;
  }

  protected override _fromValue(value: unknown): unknown {
    const uuid = this._toValue(value);
    if (uuid === undefined) throw new MalformedError(`${JSON.stringify(value)} is not a uuid`);
    return uuid;
  }

  protected override _resolve(writer: avro.Type): unknown {
    if (writer instanceof UuidType) return (value: unknown) => value;
    return writer.typeName === 'string' ? (value: unknown) => this._fromValue(value) : undefined;
  }
}

/** `decimal` on bytes or fixed: exact text such as "-12.30". */
export class DecimalType extends avro.types.LogicalType {
  declare readonly precision: number;
  declare readonly scale: number;

  constructor(schema: avro.Schema, options?: unknown) {
    super(schema, options);
    const { precision, scale = 0 } = schema as unknown as { precision: number; scale?: number };
    this.precision = precision;
    this.scale = scale;
  }

  protected override _toValue(value: unknown): unknown {
    if (typeof value !== 'string') return undefined;
    const unscaled = unscaledOf(value, this.precision, this.scale);
    if (unscaled === undefined) return undefined;
    return bytesOfUnscaled(unscaled, (this.underlyingType as Partial<avro.types.FixedType>).size);
  }

  protected override _fromValue(value: unknown): unknown {
    // Reads past the end of the bytes hand over undefined; the decoder reports the truncation.
    if (!Buffer.isBuffer(value)) throw new MalformedError('a decimal without bytes');
    const unscaled = unscaledOfBytes(value);
    const text = decimalText(unscaled, this.scale);
    if (unscaledOf(text, this.precision, this.scale) === undefined) {
      throw new MalformedError(`${text} has more than ${this.precision} digits`);
    }
    return text;
  }

  protected override _resolve(writer: avro.Type): unknown {
    const same =
      writer instanceof DecimalType && writer.scale === this.scale && writer.precision === this.precision;
    return same ? (value: unknown) => value : undefined;
  }
}
