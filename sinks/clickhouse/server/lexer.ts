/**
 * Tokens of ClickHouse SQL, after ClickHouse's own lexer (src/Parsers/Lexer.cpp), as far as telling
 * words, quoted things, comments and punctuation apart needs it.
 *
 * I1. Offsets are offsets into the given text. Feed bytes as latin1 and they are byte offsets.
 * I2. Nothing inside a string, a quoted identifier, a heredoc or a comment is ever taken for a token.
 * I3. Something unfinished (an open quote or comment) is an `error` token reaching to the end.
 */

export type TokenKind = 'word' | 'identifier' | 'string' | 'number' | 'punctuation' | 'error';

export interface Token {
  readonly kind: TokenKind;
  /** As written, quotes included. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const space = /[ \t\n\r\f\v]+/y;
const lineComment = /(?:--|\/\/|#[ !])[^\n]*/y;
const word = /[A-Za-z0-9_$]+/y;
const number = /(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?)/y;
const hexOrBinString = /[xXbB]'[^']*'/y;
const heredocTag = /\$[^$]*\$/y;

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** End of a quoted piece that starts at `at`, or -1 when it is not closed. Backslash and doubling escape. */
function quotedEnd(text: string, at: number): number {
  const quote = text[at];
  for (let i = at + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === quote) {
      if (text[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return -1;
}

/** End of a comment with its nested comments, or -1 when it is not closed. */
function blockCommentEnd(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i + 1 < text.length; i++) {
    const pair = text.slice(i, i + 2);
    if (pair === '/*') {
      depth++;
      i++;
    } else if (pair === '*/') {
      depth--;
      i++;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

function quoted(text: string, at: number): Token {
  const end = quotedEnd(text, at);
  if (end < 0) return { kind: 'error', text: text.slice(at), start: at, end: text.length };
  return { kind: text[at] === "'" ? 'string' : 'identifier', text: text.slice(at, end), start: at, end };
}

function heredoc(text: string, at: number): Token | undefined {
  const tag = matchAt(heredocTag, text, at);
  if (tag === undefined) return undefined;
  const close = text.indexOf(tag, at + tag.length);
  if (close < 0) return undefined;
  const end = close + tag.length;
  return { kind: 'string', text: text.slice(at, end), start: at, end };
}

/** The token at `from` or after it, spaces and comments skipped; undefined at the end of the text. */
export function nextToken(text: string, from: number): Token | undefined {
  let at = from;
  for (;;) {
    const skipped = matchAt(space, text, at) ?? matchAt(lineComment, text, at);
    if (skipped !== undefined) {
      at += skipped.length;
    } else if (text.startsWith('/*', at)) {
      const end = blockCommentEnd(text, at);
      if (end < 0) return { kind: 'error', text: text.slice(at), start: at, end: text.length };
      at = end;
    } else break;
  }
  const char = text[at];
  if (char === undefined) return undefined;
  if (char === "'" || char === '"' || char === '`') return quoted(text, at);
  if (char === '$') {
    const found = heredoc(text, at);
    if (found !== undefined) return found;
  }
  const literal = matchAt(hexOrBinString, text, at);
  if (literal !== undefined) return { kind: 'string', text: literal, start: at, end: at + literal.length };
  const asWord = matchAt(word, text, at);
  const asNumber = matchAt(number, text, at);
  if (asNumber !== undefined && asNumber.length >= (asWord?.length ?? 0)) {
    return { kind: 'number', text: asNumber, start: at, end: at + asNumber.length };
  }
  if (asWord !== undefined) return { kind: 'word', text: asWord, start: at, end: at + asWord.length };
  return { kind: 'punctuation', text: char, start: at, end: at + 1 };
}

/** All tokens of a text. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let token = nextToken(text, 0); token !== undefined; token = nextToken(text, token.end))
    tokens.push(token);
  return tokens;
}

/** Whether a token is the given keyword (not quoted, any case). */
export function isWord(token: Token | undefined, keyword: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === keyword;
}

/** The name that a word or quoted identifier stands for. */
export function nameOf(token: Token): string {
  return token.kind === 'identifier' ? token.text.slice(1, -1) : token.text;
}

/** A ClickHouse string literal with this value. */
export function stringLiteral(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}

/** Whether a token is a name, quoted or not. */
export function isName(token: Token | undefined): token is Token & { readonly kind: 'word' | 'identifier' } {
  return token?.kind === 'word' || token?.kind === 'identifier';
}

/** Position of the bracket that closes the one at `open`. */
export function closingBracket(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const text = tokens[i]?.text ?? '';
    if ('([{'.includes(text)) depth++;
    else if (')]}'.includes(text) && --depth === 0) return i;
  }
  return tokens.length;
}
