/** CSV as in RFC 4180: a header line, CRLF line ends, quotes where needed and doubled inside. null is an empty field. */
import { plainText, type Cell, type Result } from './value.ts';

function field(cell: Cell): string {
  if (cell === null) return '';
  const text = plainText(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvText({ columns, rows }: Result): string {
  const lines = [columns.map((column) => column.name), ...rows];
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}
