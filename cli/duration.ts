/** Durations as people write them: 30s, 1.5m, 2h, 500ms. */
import { CliError } from './cli-error.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration of at least `leastMs`. A bare number counts seconds. Throws a usage error that names the option. */
export function durationMs(text: string, option: string, leastMs = 0): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  const ms = match === null ? NaN : Number(match[1]) * unitMs[match[2] ?? 's']!;
  if (ms >= leastMs && ms < Infinity) return ms;
  if (ms < leastMs) throw new CliError('usage', `${option}: ${text} is too short; the least is ${leastMs}ms`);
  throw new CliError('usage', `${option}: '${text}' is no duration; write 30s, 5m, 2h or 500ms`);
}
