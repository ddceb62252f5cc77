import { describe, expect, it } from 'vitest';
import { parameterType, parameterTypeNames } from './parameter-type.ts';

describe('parameterType', () => {
  it.each([
    ['UInt8', '255', '255'],
    ['UInt8', '256', undefined],
    ['UInt8', '-1', undefined],
    ['Int8', '-128', '-128'],
    ['Int8', '128', undefined],
    ['UInt32', '+24', '24'],
    ['UInt32', '24h', undefined],
    ['UInt32', '', undefined],
    ['UInt64', '18446744073709551615', '18446744073709551615'],
    ['UInt64', '18446744073709551616', undefined],
    ['Int64', '9223372036854775808', undefined],
    ['Float64', '0.5', '0.5'],
    ['Float64', '-1e3', '-1000'],
    ['Float64', 'nan', undefined],
    ['Float64', '1e999', undefined],
    ['Float64', '0x10', undefined],
    ['Bool', 'true', 'true'],
    ['Bool', 'yes', undefined],
    ['String', '', ''],
    ['String', "it's\ta tab", "it's\ta tab"],
    ['Date', '2026-02-28', '2026-02-28'],
    ['Date', '2026-02-29', undefined],
    ['Date', '2026-02-28T00:00', undefined],
    ['DateTime', '2023-11-14T22:13:20Z', '1700000000'],
    ['DateTime', '1970-01-01 00:00:01', '0000000001'],
    ['DateTime64(3)', '2023-11-14 22:13:20.123', '1700000000.123'],
    ['DateTime64(3)', '2023-11-15T00:13:20.123+02:00', '1700000000.123'],
    ['DateTime64(3)', '1970-01-01 00:00:00.000', '0000000000.000'],
    ['DateTime64(3)', '2023-11-14', '1699920000.000'],
    ['DateTime64(3)', '2023-11-14T25:00', undefined],
    ['DateTime64(3)', '2023-02-30 00:00', undefined],
    ['DateTime64(3)', '1969-12-31', undefined],
    ['DateTime64(3)', 'yesterday', undefined],
  ])('%s of %j is sent as %j', (name, text, expected) => {
    expect(parameterType(name)?.encode(text)).toBe(expected);
  });

  it.each(parameterTypeNames)('%s takes its own example', (name) => {
    const type = parameterType(name);
    expect(type?.encode(type.example)).toBeDefined();
  });

  it('knows no other types', () => {
    expect(parameterType('Array(String)')).toBeUndefined();
  });
});
