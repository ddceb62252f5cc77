/** The error for a name that does not exist: the nearest that does, and all there are. */
import { CliError } from './cli-error.ts';
import { nearest } from './nearest.ts';

/** @param what the kind of thing, after "there is no": `report`, `parameter of failover.forecast` */
export function unknownName(what: string, name: string, known: readonly string[]): CliError {
  const guess = nearest(name, known);
  return new CliError(
    'usage',
    `there is no ${what} '${name}'${guess === undefined ? '' : `; did you mean '${guess}'?`}`,
    { remedies: known.length === 0 ? [] : [`one of: ${known.join(', ')}`] },
  );
}
