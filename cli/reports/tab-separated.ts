/**
 * Reads ClickHouse's format TabSeparatedWithNamesAndTypes
 * (https://clickhouse.com/docs/interfaces/formats/TabSeparated).
 *
 * Chosen over JSON because it is exact without any setting (64-bit integers, decimals, nan and inf), and a read-only user
 * may not set any.
 */
import type { Cell, Column, Result } from '../present/value.ts';

const escaped: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '0': '\0' };

function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(.)/gs, (_, char: string) => escaped[char] ?? char);
}

/** The type inside Nullable and LowCardinality. */
function plainType(type: string): string {
  const match = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type);
  return match === null ? type : plainType(match[1]!);
}

const special: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity };

function cellReader(type: string): (text: string) => Cell {
  if (/^U?Int\d+$/.test(type)) {
    return (text) => {
      const number = Number(text);
      return Number.isSafeInteger(number) ? number : BigInt(text);
    };
  }
  if (/^B?Float\d+$/.test(type)) return (text) => special[text] ?? Number(text);
  if (type === 'Bool') return (text) => text === 'true';
  return unescaped;
}

function isNumber(type: string): boolean {
  return /^(U?Int\d|B?Float\d|Decimal)/.test(type);
}

/** Columns with their kinds, and cells. Lists and maps are text in ClickHouse's own notation. */
export function readTabSeparated(text: string): Result {
  const [names = '', types = '', ...lines] = text.replace(/\n$/, '').split('\n');
  const plainTypes = types.split('\t').map((type) => plainType(unescaped(type)));
  const readers = plainTypes.map(cellReader);
  const columns = names.split('\t').map((name, i): Column => {
    return { name: unescaped(name), kind: isNumber(plainTypes[i]!) ? 'number' : 'text' };
  });
  const rows = lines.map((line) =>
    line.split('\t').map((cell, i): Cell => (cell === '\\N' ? null : readers[i]!(cell))),
  );
  return { columns, rows };
}
