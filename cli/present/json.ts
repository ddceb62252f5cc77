/** Results as one JSON array of objects, a row on each line. */
import { jsonText, type Result } from './value.ts';

export function jsonArray({ columns, rows }: Result): string {
  if (rows.length === 0) return '[]\n';
  const objects = rows.map((row) => {
    const members = columns.map(({ name }, i) => `${JSON.stringify(name)}:${jsonText(row[i] ?? null)}`);
    return `  {${members.join(',')}}`;
  });
  return `[\n${objects.join(',\n')}\n]\n`;
}
