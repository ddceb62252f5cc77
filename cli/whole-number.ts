/** Whole numbers as options have them. */
import { CliError } from './cli-error.ts';

/** The number that `text` is. Throws a usage error that names the option. */
export function wholeNumber(
  text: string,
  option: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least && value <= most && text.trim() !== '') return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new CliError('usage', `${option}: '${text}' is no whole number ${range}`);
}
