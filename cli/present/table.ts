/**
 * Results as an aligned table for people.
 *
 * I1  A number is never cut: where a table is too wide for the terminal, only columns of text are narrowed.
 * I2  Nothing in the data can break a line or steer the terminal (`printable`).
 */
import { styled } from './style.ts';
import { plainText, type Cell, type Column, type Result } from './value.ts';
import { displayWidth, printable, truncate } from './width.ts';

const gap = '  ';
/** A column of text is not made narrower than this, or than its name. */
const narrowest = 12;
/** Decimals shown of numbers in a column whose largest is 1 or more, and below. */
const fewDecimals = 3;
const manyDecimals = 6;

export interface TableOptions {
  /** Columns of the terminal; Infinity for no limit. */
  readonly width: number;
  readonly colours: boolean;
}

/** Thousands separators in the digits before the decimal point. Anything but a plain number is left alone. */
export function groupThousands(text: string): string {
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = ''] = match;
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}${fraction}`;
}

/** Decimals for a column: as many as its numbers have, within limits. Decimal types keep all of theirs (they are text). */
function decimalsOf(cells: readonly Cell[]): number {
  const numbers = cells.filter((cell) => typeof cell === 'number' && Number.isFinite(cell)) as number[];
  const largest = Math.max(0, ...numbers.map(Math.abs));
  const limit = largest >= 1 ? fewDecimals : manyDecimals;
  const needed = numbers.map((number) => {
    const fraction = number.toFixed(limit).replace(/0+$/, '').split('.')[1] ?? '';
    return fraction.length;
  });
  return Math.max(0, ...needed);
}

function numberText(cell: number, decimals: number): string {
  if (!Number.isFinite(cell)) return String(cell);
  const rounded = cell.toFixed(decimals);
  // A value too small for the decimals of its column must not look like zero.
  return cell !== 0 && Number(rounded) === 0 ? cell.toPrecision(2) : groupThousands(rounded);
}

function cellTexts(column: Column, cells: readonly Cell[]): string[] {
  const decimals = column.kind === 'number' ? decimalsOf(cells) : 0;
  return cells.map((cell) => {
    if (cell === null) return '-';
    if (column.kind === 'text') return printable(plainText(cell));
    return typeof cell === 'number' ? numberText(cell, decimals) : groupThousands(printable(plainText(cell)));
  });
}

/** Narrows the widest columns of text until the table fits, as far as that goes. */
function fit(columns: readonly Column[], widths: readonly number[], available: number): number[] {
  const fitted = [...widths];
  const floor = columns.map(({ name, kind }, i) =>
    kind === 'number' ? widths[i]! : Math.min(widths[i]!, Math.max(narrowest, displayWidth(name))),
  );
  let excess = fitted.reduce((sum, width) => sum + width, gap.length * (columns.length - 1)) - available;
  while (excess > 0) {
    let widest = -1;
    for (let i = 0; i < fitted.length; i++) {
      if (fitted[i]! > floor[i]! && (widest < 0 || fitted[i]! > fitted[widest]!)) widest = i;
    }
    if (widest < 0) break;
    fitted[widest] = fitted[widest]! - 1;
    excess--;
  }
  return fitted;
}

function pad(text: string, width: number, kind: Column['kind'], isLast: boolean): string {
  const spaces = ' '.repeat(Math.max(0, width - displayWidth(text)));
  if (kind === 'number') return spaces + text;
  return isLast ? text : text + spaces;
}

/** The table with a line of names, a rule, and a line for each row. */
export function tableText({ columns, rows }: Result, { width, colours }: TableOptions): string {
  const names = columns.map((column) => printable(column.name));
  const texts = columns.map((column, i) =>
    cellTexts(
      column,
      rows.map((row) => row[i] ?? null),
    ),
  );
  const wanted = texts.map((column, i) =>
    column.reduce((most, text) => Math.max(most, displayWidth(text)), displayWidth(names[i]!)),
  );
  const widths = fit(columns, wanted, width);
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, i) =>
        pad(truncate(text, widths[i]!), widths[i]!, columns[i]!.kind, i === columns.length - 1),
      )
      .join(gap);
  const lines = [
    styled(colours, 'bold', line(names)),
    styled(colours, 'dim', widths.map((columnWidth) => '─'.repeat(columnWidth)).join(gap)),
    ...rows.map((_, row) => line(texts.map((column) => column[row]!))),
  ];
  return `${lines.join('\n')}\n`;
}
