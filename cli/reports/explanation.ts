/** What a report's answer means, in words: its question, the parameters in force, its columns. */
import type { ParameterValue } from './parameter-values.ts';
import type { Report } from './report-file.ts';

function listed(title: string, entries: readonly (readonly [name: string, text: string])[]): string[] {
  if (entries.length === 0) return [];
  const width = Math.max(...entries.map(([name]) => name.length));
  return [title, ...entries.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`), ''];
}

/** Lines that end with an empty one. */
export function explanation(report: Report, values: readonly ParameterValue[]): string {
  const parameters = report.parameters.map(({ name, type, description }, i) => {
    const value = values[i]!;
    const text = value.text === '' ? "''" : value.text;
    return [name, `${text}${value.isDefault ? ' (default)' : ''}: ${description} [${type.name}]`] as const;
  });
  const columns = report.columns.map(({ name, meaning }) => [name, meaning] as const);
  return (
    [report.question, '', ...listed('Parameters:', parameters), ...listed('Columns:', columns)].join('\n') +
    '\n'
  );
}
