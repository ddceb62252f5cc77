/** Writes a result to stdout in the form that `--format` chose. */
import { Option } from 'commander';
import type { CliIo } from '../io.ts';
import { csvText } from './csv.ts';
import { jsonArray } from './json.ts';
import { tableText } from './table.ts';
import type { Result } from './value.ts';

export const resultFormats = ['table', 'json', 'csv'] as const;
export type ResultFormat = (typeof resultFormats)[number];

/** `--format table|json|csv`, `table` by default. */
export function formatOption(): Option {
  return new Option('--format <format>', 'form of the result').choices([...resultFormats]).default('table');
}

export function resultText(io: CliIo, format: ResultFormat, result: Result): string {
  switch (format) {
    case 'table':
      return tableText(result, { width: io.columns, colours: io.colours });
    case 'json':
      return jsonArray(result);
    case 'csv':
      return csvText(result);
  }
}

export function writeResult(io: CliIo, format: ResultFormat, result: Result): void {
  io.stdout.write(resultText(io, format, result));
}
