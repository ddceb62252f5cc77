import { expect, test } from 'vitest';
import { isForbiddenSetting } from './file-access.ts';
import { ServerException } from './exception.ts';
import { canonicalQuery, intoFile, killByClientId, readStatement, requireReading } from './statement.ts';

test('a statement is quoted to be parsed', () => {
  expect(canonicalQuery("SELECT 'a\\b'")).toBe("SELECT formatQuerySingleLine('SELECT \\'a\\\\b\\'')");
});

test.each([
  ['SELECT 1', "SELECT 1 INTO OUTFILE '/p' COMPRESSION 'none' FORMAT CSV"],
  ['SELECT 1 FORMAT JSON', "SELECT 1 INTO OUTFILE '/p' COMPRESSION 'none' FORMAT JSON"],
  ['SELECT 1 FORMAT `Values`', "SELECT 1 INTO OUTFILE '/p' COMPRESSION 'none' FORMAT `Values`"],
  [
    'SELECT 1 SETTINGS a = 1 FORMAT JSON',
    "SELECT 1 SETTINGS a = 1 INTO OUTFILE '/p' COMPRESSION 'none' FORMAT JSON",
  ],
  [
    'SELECT 1 FORMAT JSON SETTINGS a = 1',
    "SELECT 1 INTO OUTFILE '/p' COMPRESSION 'none' FORMAT JSON SETTINGS a = 1",
  ],
  [
    "SELECT format('FORMAT {}', a) FROM t",
    "SELECT format('FORMAT {}', a) FROM t INTO OUTFILE '/p' COMPRESSION 'none' FORMAT CSV",
  ],
])('%s into a file', (canonical, expected) => {
  expect(intoFile(readStatement(canonical), '/p', 'CSV')).toBe(expected);
});

test.each([
  'SELECT FILE(x)',
  'SELECT * APPLY file',
  'SELECT `file`(x)',
  "SELECT 1 INTO OUTFILE 'x'",
  "INSERT INTO t FROM INFILE 'x'",
  "SELECT 1 FORMAT Template SETTINGS format_schema = 'x'",
  'DROP TABLE a PARALLEL WITH DROP TABLE b',
])('refused: %s', (canonical) => {
  expect(() => readStatement(canonical)).toThrow(ServerException);
});

test.each(['SELECT file FROM t', "SELECT 'file(1)'", "SELECT 'INTO OUTFILE'", 'SELECT t.file, 1'])(
  'not refused: %s',
  (canonical) => {
    expect(readStatement(canonical).verb).toBe('SELECT');
  },
);

test.each([
  ['SELECT 1', 1, true],
  ['SELECT 1 SETTINGS a = 1', 1, false],
  ['SELECT * FROM (SELECT 1 SETTINGS a = 1)', 1, false],
  ['SELECT 1 SETTINGS a = 1', 2, true],
  ['SET a = 1', 1, false],
  ['SET a = 1', 2, true],
  ['(SELECT 1) UNION ALL (SELECT 2)', 1, true],
  ['DROP TABLE t', 2, false],
  ['KILL QUERY WHERE 1', 2, false],
] as const)('%s at readonly level %i may run: %s', (canonical, level, mayRun) => {
  const check = (): void => {
    requireReading(readStatement(canonical), level, 'readonly', '');
  };
  if (mayRun) expect(check).not.toThrow();
  else expect(check).toThrow(/Code: 164\./);
});

test('KILL QUERY finds the id that the client gave', () => {
  expect(
    killByClientId(readStatement("KILL QUERY WHERE (query_id = 'query_id') AND (user = 'x') SYNC")),
  ).toBe("KILL QUERY WHERE (substring(Settings['log_comment'], 6) = 'query_id') AND (user = 'x') SYNC");
});

test('settings that read files are known in any case', () => {
  expect(isForbiddenSetting('Format_Schema')).toBe(true);
  expect(isForbiddenSetting('format_csv_delimiter')).toBe(false);
});
