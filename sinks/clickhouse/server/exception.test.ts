import { expect, test } from 'vitest';
import { exception, exceptionOf } from './exception.ts';

test.each([
  [
    'Code: 60. DB::Exception: No table. (UNKNOWN_TABLE)',
    60,
    404,
    'Code: 60. DB::Exception: No table. (UNKNOWN_TABLE)',
  ],
  [
    "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) (version 26.7). (UNKNOWN_SETTING)",
    115,
    404,
    "Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING)",
  ],
  [
    "Query failed: Code: 62. DB::Exception: Syntax error: In scope SELECT formatQuerySingleLine('x. (y'). (SYNTAX_ERROR)",
    62,
    400,
    'Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)',
  ],
  ['something else', 1001, 500, 'Code: 1001. DB::Exception: std::exception. something else (STD_EXCEPTION)'],
])('%s', (text, code, httpStatus, message) => {
  expect(exceptionOf(new Error(text))).toMatchObject({ code, httpStatus, message });
});

test.each([
  'ENOSPC: no space left on device, write',
  'Code: 75. DB::Exception: Cannot write: errno: 28, strerror: No space left on device. (CANNOT_WRITE)',
])('a full disk is code 243, whoever met it: %s', (text) => {
  const full = exceptionOf(new Error(text));
  expect(full.code).toBe(243);
  expect(full.message).toMatch(/send it again.*\(NOT_ENOUGH_SPACE\)$/);
});

test('an exception of our own stays as it is', () => {
  const own = exception(290, 'too large', 413);
  expect(exceptionOf(own)).toBe(own);
  expect(own.httpStatus).toBe(413);
});
