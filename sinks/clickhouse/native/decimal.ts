/** Columns Decimal(P, S): a whole number of units of 10^-S, in 4, 8, 16 or 32 bytes. Values are decimal strings. */
import { FixedWidthBuilder, invalid } from './column-builder.ts';

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** Bytes of a Decimal with so many digits. Source: https://clickhouse.com/docs/sql-reference/data-types/decimal */
function widthOf(precision: number): 4 | 8 | 16 | 32 {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

export class DecimalBuilder extends FixedWidthBuilder {
  readonly #type: string;
  readonly #scale: number;
  readonly #words: number;
  readonly #limit: bigint;

  constructor(precision: number, scale: number) {
    const width = widthOf(precision);
    super(width);
    this.#type = `Decimal(${precision}, ${scale})`;
    this.#scale = scale;
    this.#words = width / 4;
    this.#limit = 10n ** BigInt(precision);
  }

  append(value: unknown): void {
    const units = this.#unitsOf(value);
    if (units >= this.#limit || units <= -this.#limit)
      throw invalid(value, this.#type, 'is out of range for');
    const at = this.reserve();
    let rest = BigInt.asUintN(this.#words * 32, units);
    for (let word = 0; word < this.#words; word++) {
      this.view.setUint32(at + word * 4, Number(rest & 0xffffffffn), true);
      rest >>= 32n;
    }
  }

  #unitsOf(value: unknown): bigint {
    const parts = typeof value === 'string' ? DECIMAL.exec(value) : null;
    if (parts === null) throw invalid(value, this.#type);
    const [, sign, whole = '', fraction = ''] = parts;
    const digits = fraction.padEnd(this.#scale, '0');
    if (/[1-9]/.test(digits.slice(this.#scale))) throw invalid(value, this.#type, 'has more decimals than');
    const units = BigInt(whole + digits.slice(0, this.#scale));
    return sign === '-' ? -units : units;
  }
}
