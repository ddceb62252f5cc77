import { describe, expect, it } from 'vitest';
import { groupThousands, tableText } from './table.ts';
import type { Column, Result } from './value.ts';

const text = (name: string): Column => ({ name, kind: 'text' });
const number = (name: string): Column => ({ name, kind: 'number' });
const wide = { width: Infinity, colours: false };

function table(columns: readonly Column[], rows: Result['rows'], width = Infinity): string[] {
  return tableText({ columns, rows }, { width, colours: false }).split('\n').slice(0, -1);
}

describe('groupThousands', () => {
  it.each([
    ['0', '0'],
    ['999', '999'],
    ['1000', '1,000'],
    ['-1234567.8901', '-1,234,567.8901'],
    ['18446744073709551615', '18,446,744,073,709,551,615'],
    ['1e21', '1e21'],
    ['NaN', 'NaN'],
    ['2026-01-01', '2026-01-01'],
  ])('%s is %s', (given, expected) => {
    expect(groupThousands(given)).toBe(expected);
  });
});

describe('tableText', () => {
  it('aligns text to the left and numbers to the right', () => {
    expect(
      table(
        [text('device'), number('rate')],
        [
          ['sda', 1234.5],
          ['nvme0n1', 7],
        ],
      ),
    ).toEqual(['device      rate', '───────  ───────', 'sda      1,234.5', 'nvme0n1      7.0']);
  });

  it('writes null as - and keeps 64-bit integers exact', () => {
    const rows = table(
      [number('n'), text('t')],
      [
        [18446744073709551615n, null],
        [null, 'x'],
      ],
    );
    expect(rows[2]).toBe('18,446,744,073,709,551,615  -');
    expect(rows[3]).toBe(`${'-'.padStart(26)}  x`);
  });

  it.each([
    ['three decimals where numbers are large', [1000.123456, 1], ['1,000.123', '    1.000']],
    ['six where all are below one', [0.1234567, 0.5], ['0.123457', '0.500000']],
    ['none for whole numbers', [1, 20], [' 1', '20']],
    ['a tiny number never looks like zero', [5000.5, 0.00001], ['5,000.5', ' 0.000010']],
    ['not-a-number and infinity as they are', [NaN, Infinity], ['     NaN', 'Infinity']],
  ])('shows %s', (_, numbers, expected) => {
    const lines = table(
      [number('x')],
      numbers.map((n) => [n]),
    ).slice(2);
    expect(lines.map((line) => line.trim())).toEqual(expected.map((line) => line.trim()));
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  it('writes lists and maps as JSON', () => {
    expect(table([text('a')], [[{ b: [1n, null] }]])[2]).toBe('{"b":[1,null]}');
  });

  it('counts columns of the terminal, not code units', () => {
    const lines = table(
      [text('name'), text('x')],
      [
        ['日本', '|'],
        ['é👩‍👩‍👧', '|'],
        ['ab', '|'],
      ],
    );
    expect(lines.slice(2)).toEqual(['日本  |', 'é👩‍👩‍👧   |', 'ab    |']);
  });

  it('lets no data break a line or steer the terminal', () => {
    const [, , line, ...rest] = table([text('a')], [['one\ntwo\u001b[31m\u202e\u009b']]);
    expect(line).toBe('one\\ntwo\\u001b[31m\\u202e\\u009b');
    expect(rest).toEqual([]);
  });

  it('narrows columns of text to the width of the terminal, never numbers', () => {
    const lines = table([text('reason'), number('n')], [['a very long reason indeed', 1234567890]], 30);
    expect(lines).toEqual([
      `${'reason'.padEnd(15)}  ${'n'.padStart(13)}`,
      `${'─'.repeat(15)}  ${'─'.repeat(13)}`,
      'a very long re…  1,234,567,890',
    ]);
    const narrow = table([text('reason'), number('n')], [['a very long reason indeed', 1234567890]], 5);
    expect(narrow[2]).toBe('a very long…  1,234,567,890');
  });

  it('shows the names of columns where there are no rows', () => {
    expect(tableText({ columns: [text('a'), number('bb')], rows: [] }, wide)).toBe('a  bb\n─  ──\n');
  });

  it('writes no colour codes unless asked', () => {
    const result: Result = { columns: [text('a')], rows: [['x']] };
    expect(tableText(result, wide)).not.toContain('\u001b');
    expect(tableText(result, { width: Infinity, colours: true })).toContain('\u001b[1ma\u001b[22m');
  });
});
