import { describe, expect, it } from 'vitest';
import { memoryIo } from '../io.fixture.ts';
import { csvText } from './csv.ts';
import { jsonArray } from './json.ts';
import { writeResult } from './result.ts';
import type { Result } from './value.ts';

const result: Result = {
  columns: [
    { name: 'text', kind: 'text' },
    { name: 'n', kind: 'number' },
  ],
  rows: [
    ['a "quoted", text', 1],
    ['two\r\nlines', 9007199254740993n],
    ['', null],
    [['x', null], 12n],
  ],
};

describe('csvText', () => {
  it('quotes and ends lines as in RFC 4180, with null as an empty field', () => {
    expect(csvText(result)).toBe(
      'text,n\r\n"a ""quoted"", text",1\r\n"two\r\nlines",9007199254740993\r\n,\r\n"[""x"",null]",12\r\n',
    );
  });
});

describe('jsonArray', () => {
  it('is one array of objects, with integers beyond 2^53 as strings', () => {
    expect(JSON.parse(jsonArray(result))).toEqual([
      { text: 'a "quoted", text', n: 1 },
      { text: 'two\r\nlines', n: '9007199254740993' },
      { text: '', n: null },
      { text: ['x', null], n: 12 },
    ]);
  });

  it('is an empty array where there are no rows', () => {
    expect(JSON.parse(jsonArray({ ...result, rows: [] }))).toEqual([]);
  });
});

describe('writeResult', () => {
  it.each(['table', 'json', 'csv'] as const)('writes %s to stdout and nothing to stderr', (format) => {
    const io = memoryIo();
    writeResult(io, format, result);
    expect(io.out()).toContain('text');
    expect(io.out().endsWith('\n')).toBe(true);
    expect(io.err()).toBe('');
  });
});
