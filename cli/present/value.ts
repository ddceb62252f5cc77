/**
 * Values of result cells, and how each output form writes them.
 *
 * I1  No digit of a number is changed: 64-bit integers stay exact (bigint), decimals stay text of kind `number`.
 */

/** A cell: as JSON has it, and bigint for integers that a double cannot hold. */
export type Cell =
  string | number | bigint | boolean | null | readonly Cell[] | { readonly [name: string]: Cell };

export interface Column {
  readonly name: string;
  /** `number` is aligned to the right with thousands separators, in tables; `text` is not. */
  readonly kind: 'number' | 'text';
}

export interface Result {
  readonly columns: readonly Column[];
  /** One array of cells for each row, in the order of the columns. */
  readonly rows: readonly (readonly Cell[])[];
}

/** A cell as JSON text. Integers beyond 2^53 become strings, for most JSON readers would round them. */
export function jsonText(cell: Cell): string {
  return JSON.stringify(cell, (_key, value: unknown) => {
    if (typeof value !== 'bigint') return value;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  });
}

/** A cell as plain text: text as it is, lists and maps as JSON. null is the caller's to write. */
export function plainText(cell: Exclude<Cell, null>): string {
  return typeof cell === 'object' ? jsonText(cell) : String(cell);
}
