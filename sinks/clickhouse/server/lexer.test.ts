import { expect, test } from 'vitest';
import { nextToken, stringLiteral, tokenize } from './lexer.ts';

test.each([
  ['SELECT a.b, 1.5e3', ['SELECT', 'a', '.', 'b', ',', '1.5e3']],
  ["'it''s' 'a\\'b' x", ["'it''s'", "'a\\'b'", 'x']],
  ['`a``b` "c\\"d" x', ['`a``b`', '"c\\"d"', 'x']],
  ['a -- b\nc // d\ne # f\ng #! h\ni', ['a', 'c', 'e', 'g', 'i']],
  ['a /* b /* c */ d */ e', ['a', 'e']],
  ["$x$ ' $$ $x$ y $$ z $$", ["$x$ ' $$ $x$", 'y', '$$ z $$']],
  ["x'41' b'01' X'", ["x'41'", "b'01'", 'X', "'"]],
  ["'-- not a comment' /*'*/ x", ["'-- not a comment'", 'x']],
  ['1table t$1 _x', ['1table', 't$1', '_x']],
  ['', []],
])('%s', (text, tokens) => {
  expect(tokenize(text).map((token) => token.text)).toEqual(tokens);
});

test.each(["'open", '"open', '`open', '/* open /* */', "a 'x\\'"])(
  'what is not closed is one error to the end: %s',
  (text) => {
    const tokens = tokenize(text);
    expect(tokens.at(-1)).toMatchObject({ kind: 'error', end: text.length });
  },
);

test('offsets are where the token stands', () => {
  expect(nextToken('  /* x */ FORMAT  Native', 0)).toMatchObject({ text: 'FORMAT', start: 10, end: 16 });
});

test.each(["it's", 'back\\slash', "\\'", ''])('a literal of %j is one string token', (value) => {
  const tokens = tokenize(stringLiteral(value));
  expect(tokens.map((token) => token.kind)).toEqual(['string']);
});
