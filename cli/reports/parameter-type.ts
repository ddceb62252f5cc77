/**
 * ClickHouse types that a report's parameter may have, and what a value of each looks like on a command line.
 *
 * I1  A value that passes here is one that ClickHouse takes: nothing is sent to find out.
 * I2  Times are sent as seconds since the epoch, so that the server's time zone changes nothing; without an offset they
 *     are UTC.
 */

export interface ParameterType {
  /** As ClickHouse writes it. */
  readonly name: string;
  /** For messages. */
  readonly example: string;
  /** The text to send for a value, or undefined where the value is not of this type. */
  readonly encode: (text: string) => string | undefined;
}

function integer(name: string, isSigned: boolean, bits: number): ParameterType {
  const size = 1n << BigInt(bits);
  const [from, to] = isSigned ? [-size / 2n, size / 2n - 1n] : [0n, size - 1n];
  return {
    name,
    example: '24',
    encode: (text) => {
      if (!/^[+-]?\d+$/.test(text)) return undefined;
      const value = BigInt(text.replace('+', ''));
      return value >= from && value <= to ? String(value) : undefined;
    },
  };
}

function float(name: string): ParameterType {
  return {
    name,
    example: '0.9',
    encode: (text) =>
      /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))
        ? String(Number(text))
        : undefined,
  };
}

/** Milliseconds since the epoch of an ISO 8601 date with an optional time; undefined for a day or hour that does not exist. */
function instantMs(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, date = '', time = '00:00', offset = 'Z'] = match;
  const midnightMs = Date.parse(`${date}T00:00:00Z`);
  // Date.parse takes February 31st for March 3rd.
  if (Number.isNaN(midnightMs) || new Date(midnightMs).toISOString().slice(0, 10) !== date) return undefined;
  const ms = Date.parse(`${date}T${time}${offset}`);
  return Number.isNaN(ms) ? undefined : ms;
}

function dateTime(name: string): ParameterType {
  return {
    name,
    example: '2026-03-01T12:00:00Z',
    encode: (text) => {
      const ms = instantMs(text);
      if (ms === undefined || ms < 0) return undefined;
      // Ten digits: ClickHouse takes shorter ones for a year, and refuses them.
      return name === 'DateTime'
        ? String(Math.floor(ms / 1000)).padStart(10, '0')
        : (ms / 1000).toFixed(3).padStart(14, '0');
    },
  };
}

const types: readonly ParameterType[] = [
  { name: 'String', example: 'web', encode: (text) => text },
  {
    name: 'Bool',
    example: 'true',
    encode: (text) => (['true', 'false'].includes(text) ? text : undefined),
  },
  ...[8, 16, 32, 64].flatMap((bits) => [
    integer(`UInt${bits}`, false, bits),
    integer(`Int${bits}`, true, bits),
  ]),
  float('Float32'),
  float('Float64'),
  {
    name: 'Date',
    example: '2026-03-01',
    encode: (text) => (text.length === 10 && instantMs(text) !== undefined ? text : undefined),
  },
  dateTime('DateTime'),
  dateTime('DateTime64(3)'),
];

/** Names of all types, for messages. */
export const parameterTypeNames: readonly string[] = types.map((type) => type.name);

export function parameterType(name: string): ParameterType | undefined {
  return types.find((type) => type.name === name);
}
