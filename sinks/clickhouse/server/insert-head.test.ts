import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInsertHead } from './insert-head.ts';
import { ServerException } from './exception.ts';

describe('an insert with data is taken apart', () => {
  test.each([
    ['INSERT INTO t FORMAT Native\nDATA', 't', '', 'Native'],
    ['insert into db.t (a, `b)`) format CSV\r\nDATA', 'db.t (a, `b)`)', '', 'CSV'],
    ['INSERT INTO TABLE t FORMAT JSONEachRow DATA', 't', '', 'JSONEachRow'],
    [
      "INSERT INTO t (a) SETTINGS x = 'FORMAT', y = 1 FORMAT TSV\nDATA",
      't (a)',
      "x = 'FORMAT', y = 1",
      'TSV',
    ],
    ['/* INSERT */ INSERT INTO "t" VALUES DATA', '"t"', '', 'Values'],
    ['INSERT INTO t (* EXCEPT(a)) VALUES DATA', 't (* EXCEPT(a))', '', 'Values'],
    ['INSERT INTO {t:Identifier} FORMAT CSV\nDATA', '{t:Identifier}', '', 'CSV'],
    ['INSERT INTO db.format FORMAT CSV\nDATA', 'db.format', '', 'CSV'],
    ['INSERT t FORMAT CSV\nDATA', 't', '', 'CSV'],
  ])('%j', (text, target, settings, format) => {
    const head = parseInsertHead(text);
    expect(head).toMatchObject({ kind: 'data', target, settings, format });
    expect(head.kind === 'data' ? text.slice(head.dataStart).trim() : '').toBe('DATA');
  });

  test('data may begin with blanks and line ends of its own', () => {
    const text = 'INSERT INTO t FORMAT RowBinary\n\n \n';
    const head = parseInsertHead(text);
    expect(head.kind === 'data' ? text.slice(head.dataStart) : '').toBe('\n \n');
  });
});

test.each([
  'SELECT 1',
  'INSERT INTO t SELECT 1 FORMAT CSV',
  'INSERT INTO t (a) (SELECT 1)',
  'INSERT INTO t WITH 1 AS x SELECT x',
  'INSERTED x',
])('another statement: %s', (text) => {
  expect(parseInsertHead(`${text}\n`)).toEqual({ kind: 'other' });
});

test.each([
  'INSERT INTO t FROM INFILE $$/etc/passwd$$ FORMAT CSV\n',
  'INSERT INTO t (a) /**/ from -- x\n infile "x" FORMAT CSV\n',
  'INSERT INTO FUNCTION file(x) VALUES (1)',
  'INSERT INTO t FORMAT ; 1\n',
])('refused: %j', (text) => {
  expect(() => parseInsertHead(text)).toThrow(ServerException);
});

test('cut off anywhere before the data it asks for more, or already knows', () => {
  const text = "/* c */ INSERT INTO db.t (a, `b`) SETTINGS x = 'y' FORMAT Native\n";
  fc.assert(
    fc.property(fc.nat(text.length - 2), (length) => {
      expect(parseInsertHead(text.slice(0, length)).kind).toBe('more');
    }),
  );
});

test('bytes of the data change nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (data) => {
      expect(parseInsertHead(`INSERT INTO t FORMAT Native\n${data}`)).toMatchObject({
        target: 't',
        dataStart: 28,
      });
    }),
  );
});
