/**
 * The head of an `INSERT` that carries data: everything before the first byte of the data.
 *
 * The engine is embedded as a client library, so data reaches it best from a file
 * (`INSERT ... FROM INFILE`), which keeps any format and any size as it is: measured, a Native block of
 * 3,000,000 rows stays one block. The statement is therefore taken apart here and put together again
 * around the name of the file that holds the data.
 *
 * I1. Only the parts recognised below are passed on, each exactly as written; anything else is refused.
 * I2. A client can never name a file itself: `INFILE` in a statement is refused.
 * I3. Data starts where ClickHouse says (src/Parsers/ParserInsertQuery.cpp): after VALUES, or after the
 *     format's name, its blanks and one line end.
 */
import { exception } from './exception.ts';
import { isWord, nextToken, type Token } from './lexer.ts';

export interface InsertHead {
  readonly kind: 'data';
  /** `[db.]table [(columns)]` as written. */
  readonly target: string;
  /** What follows SETTINGS, as written; empty without any. */
  readonly settings: string;
  readonly format: string;
  /** Offset of the first byte of the data. */
  readonly dataStart: number;
}

/**
 * `data`: an INSERT with data. `other`: some other statement, INSERT ... SELECT included.
 * `more`: the text ends before that can be told.
 */
export type ParsedHead = InsertHead | { readonly kind: 'other' } | { readonly kind: 'more' };

const more: ParsedHead = { kind: 'more' };
const other: ParsedHead = { kind: 'other' };

/** The next token, if it is whole: one that reaches to the end of the text may go on after it. */
function tokenAt(text: string, from: number): Token | undefined {
  const token = nextToken(text, from);
  return token === undefined || token.end === text.length ? undefined : token;
}

/** Position just after the closing bracket that matches the opening one at `open`; undefined if it is missing. */
function afterBrackets(text: string, open: Token): number | undefined {
  let depth = 0;
  for (let token: Token | undefined = open; token !== undefined; token = tokenAt(text, token.end)) {
    if (token.text === '(') depth++;
    else if (token.text === ')' && --depth === 0) return token.end;
  }
  return undefined;
}

function isBoundary(token: Token): boolean {
  return ['VALUES', 'FORMAT', 'SELECT', 'WITH', 'FROM', 'SETTINGS', 'PARTITION'].some((w) =>
    isWord(token, w),
  );
}

/** End of `[TABLE] [db.]name [(columns)]`, which starts at `from`. */
function targetEnd(text: string, from: number): number | undefined {
  let end = from;
  let qualified = true;
  for (let token = tokenAt(text, from); token !== undefined; token = tokenAt(text, end)) {
    if (token.text === '(') return afterBrackets(text, token);
    if (!qualified && isBoundary(token)) return end;
    qualified = token.text === '.';
    end = token.end;
  }
  return undefined;
}

/** Where the data begins after the name of the format. */
function dataStartAfter(text: string, formatEnd: number): number {
  let at = formatEnd;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\f') at++;
  if (text[at] === '\r') at++;
  if (text[at] === '\n') at++;
  return at;
}

/**
 * Look at the beginning of a statement.
 * `text` may be cut off anywhere; then the answer may be `more` (a complete text ends with a line end).
 * Feed bytes as latin1.
 */
export function parseInsertHead(text: string): ParsedHead {
  const first = tokenAt(text, 0);
  if (first === undefined) return more;
  if (!isWord(first, 'INSERT')) return other;
  const into = tokenAt(text, first.end);
  if (into === undefined) return more;
  let from = isWord(into, 'INTO') ? into.end : first.end;
  const next = tokenAt(text, from);
  if (next === undefined) return more;
  const afterTable = isWord(next, 'TABLE') ? tokenAt(text, next.end) : next;
  if (afterTable === undefined) return more;
  if (isWord(afterTable, 'FUNCTION')) {
    throw exception(
      497,
      'INSERT INTO FUNCTION is not allowed by the embedded server: it would write outside of it.',
    );
  }
  if (isWord(next, 'TABLE')) from = next.end;
  const end = targetEnd(text, from);
  if (end === undefined) return more;
  return parseTail(text, text.slice(from, end).trim(), end);
}

function parseTail(text: string, target: string, from: number): ParsedHead {
  let settings = '';
  let at = from;
  for (;;) {
    const token = tokenAt(text, at);
    if (token === undefined) return more;
    if (isWord(token, 'SETTINGS')) {
      const end = settingsEnd(text, token.end);
      if (end === undefined) return more;
      settings = text.slice(token.end, end).trim();
      at = end;
    } else if (isWord(token, 'VALUES')) {
      return { kind: 'data', target, settings, format: 'Values', dataStart: token.end };
    } else if (isWord(token, 'FORMAT')) {
      const name = tokenAt(text, token.end);
      if (name === undefined) return more;
      if (name.kind !== 'word')
        throw exception(62, `Syntax error: a format's name is expected after FORMAT.`);
      return { kind: 'data', target, settings, format: name.text, dataStart: dataStartAfter(text, name.end) };
    } else if (isWord(token, 'SELECT') || isWord(token, 'WITH') || token.text === '(') {
      return other;
    } else if (isWord(token, 'FROM') && isWord(tokenAt(text, token.end), 'INFILE')) {
      throw exception(48, 'INSERT ... FROM INFILE is for clickhouse-client only: send the data in the body.');
    } else {
      return other;
    }
  }
}

/** End of `name = value, ...`. */
function settingsEnd(text: string, from: number): number | undefined {
  let end = from;
  for (let token = tokenAt(text, from); token !== undefined; token = tokenAt(text, end)) {
    if (isBoundary(token)) return end;
    end = token.end;
  }
  return undefined;
}
