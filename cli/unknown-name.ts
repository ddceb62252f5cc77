/** The error for a name that does not exist: the nearest that does, and all there are. */
import { nearest } from '#engine/nearest.ts';
import { CliError } from './cli-error.ts';

/** @param what the kind of thing, after "there is no": `report`, `parameter of failover.forecast` */
export function unknownName(what: string, name: string, known: readonly string[]): CliError {
  const guess = nearest(name, known);
  return new CliError(
    'usage',
    `there is no ${what} '${name}'${guess === undefined ? '' : `; did you mean '${guess}'?`}`,
    { remedies: known.length === 0 ? [] : [`one of: ${known.join(', ')}`] },
  );
}
