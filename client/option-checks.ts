/**
 * Checks of what a program hands over: plain JavaScript has no types, and a mistake must not show as an error from deep within.
 *
 * I1  All problems are found at once, each with the name of its option.
 * I2  What may be a secret is never shown: `secret` and `fields` tell the kind of a value, not the value.
 */
import { nearest } from '#engine/nearest.ts';
import { ClientError } from './client-error.ts';

/** What is wrong with a value, named `name`; nothing when it is fine. An option that is left out is not checked. */
export type Check = (value: unknown, name: string) => readonly string[];

/** The options that there are. */
export type Checks<Name extends string = string> = Readonly<Record<Name, Check>>;

const longestShown = 60;

/** What a value is, without the value. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A value as messages show it. */
function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string' || value === '') return kindOf(value);
  return value.length > longestShown ? `'${value.slice(0, longestShown)}...'` : `'${value}'`;
}

/** @param expected completes "must be" */
const expecting =
  (isFine: (value: unknown) => boolean, expected: string, show = shown): Check =>
  (value, name) =>
    isFine(value) ? [] : [`${name} must be ${expected}, not ${show(value)}`];

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

export const text: Check = expecting(isText, 'text that is not empty');
export const flag: Check = expecting((value) => typeof value === 'boolean', 'true or false');
export const callable: Check = expecting((value) => typeof value === 'function', 'a function');
/** Text that no message repeats, or what `isWrapped` takes. */
export const secret = (isWrapped: (value: unknown) => boolean): Check =>
  expecting((value) => isText(value) || isWrapped(value), 'text that is not empty', kindOf);

export function oneOf(known: readonly string[]): Check {
  const all = `${known.slice(0, -1).join(', ')} or ${known.at(-1)!}`;
  return expecting((value) => known.some((one) => one === value), all);
}

/** A finite number from `least` to `most`. */
export function numberFrom(least: number, most = Infinity): Check {
  const range = most === Infinity ? `a number of ${least} or more` : `a number from ${least} to ${most}`;
  return expecting(
    (value) => Number.isFinite(value) && Number(value) >= least && Number(value) <= most,
    range,
  );
}

/** A whole number from `least` to `most`. */
export function wholeFrom(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  const upTo = most === Number.MAX_SAFE_INTEGER ? ` of ${least} or more` : ` from ${least} to ${most}`;
  const isFine = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return expecting(isFine, `a whole number${upTo}`);
}

/** `ce_source` of events. */
export const uriReference: Check = expecting(
  (value) => isText(value) && !/\s/.test(value),
  'a URI reference such as /my-program/host-1',
);

/** An object with options of its own: `tls`, `tls.ca`. @param needed those that it must have */
export const fields =
  (checks: Checks, needed: readonly string[] = []): Check =>
  (value, name) =>
    isFields(value)
      ? problemsOf(value, checks, needed, `${name}.`)
      : [`${name} must be an object with ${Object.keys(checks).join(', ')}, not ${kindOf(value)}`];

export const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param prefix of the names in messages */
function problemsOf(
  values: Readonly<Record<string, unknown>>,
  checks: Checks,
  needed: readonly string[],
  prefix = '',
): readonly string[] {
  const names = Object.keys(checks);
  const unknown = Object.keys(values).filter((name) => !Object.hasOwn(checks, name));
  const missing = needed.filter((name) => values[name] === undefined);
  return [
    ...missing.map((name) => `${prefix}${name} is missing`),
    ...unknown.map((name) => {
      const guess = nearest(name, names);
      const hint = guess === undefined ? '' : ` (did you mean '${prefix}${guess}'?)`;
      return `there is no option '${prefix}${name}'${hint}, only ${names.join(', ')}`;
    }),
    ...names.flatMap((name) =>
      values[name] === undefined ? [] : checks[name]!(values[name], `${prefix}${name}`),
    ),
  ];
}

/**
 * Requires options that can be used.
 *
 * @param what begins the message: the function that got them
 * @param needed the options that must be there
 * @throws ClientError 'invalid-config' with every problem
 */
export function requireOptions(
  what: string,
  values: unknown,
  checks: Checks,
  needed: readonly string[] = [],
): void {
  const problems = isFields(values)
    ? problemsOf(values, checks, needed)
    : [`its options must be an object, not ${kindOf(values)}`];
  requireNone(what, problems);
}

/** @throws ClientError 'invalid-config' with every problem, if there is one */
export function requireNone(what: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new ClientError('invalid-config', `${what}: ${problems.join('; ')}`, { problems });
}
