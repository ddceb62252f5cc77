import { describe, expect, it } from 'vitest';
import { readTabSeparated } from './tab-separated.ts';

describe('readTabSeparated', () => {
  it('keeps numbers exact and text unescaped', () => {
    const text = [
      ['u', 'f', 'd', 's', 'b', 'n', 'l'],
      [
        'UInt64',
        'Float64',
        'Decimal(18, 4)',
        'LowCardinality(Nullable(String))',
        'Bool',
        'Nullable(Int8)',
        'Array(UInt8)',
      ],
      ['18446744073709551615', 'nan', '1.5', "a\\tb\\\\c\\n\\'d", 'true', '\\N', '[1,2]'],
      ['7', '-inf', '-0.0001', '\\N', 'false', '-3', '[]'],
      ['0', '1e-7', '0', '', 'true', '0', '[]'],
    ]
      .map((line) => `${line.join('\t')}\n`)
      .join('');
    const { columns, rows } = readTabSeparated(text);
    expect(columns.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'u number',
      'f number',
      'd number',
      's text',
      'b text',
      'n number',
      'l text',
    ]);
    expect(rows).toEqual([
      [18446744073709551615n, NaN, '1.5', "a\tb\\c\n'd", true, null, '[1,2]'],
      [7, -Infinity, '-0.0001', null, false, -3, '[]'],
      [0, 1e-7, '0', '', true, 0, '[]'],
    ]);
  });

  it('tells no rows from one empty row', () => {
    expect(readTabSeparated('s\nString\n').rows).toEqual([]);
    expect(readTabSeparated('s\nString\n\n').rows).toEqual([['']]);
  });
});
