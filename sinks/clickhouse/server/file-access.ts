/**
 * Refuses statements that would read or write files of the host by functions, clauses and settings.
 *
 * The engine has no right of its own for the scalar function `file`, so that must not be callable.
 *
 * I1. Not by its name, and not as an argument (`arrayMap(file, x)`).
 * I2. Not in SQL that hides in a string: structures of table functions, filters in settings, data of format Values.
 */
import { exception } from './exception.ts';
import { closingBracket, isName, isWord, nameOf, tokenize, type Token } from './lexer.ts';

/** Settings that make the engine read files of the host, or evaluate what is hidden in data. */
const forbiddenSettings =
  /^(format_schema|format_template_row|format_template_resultset|schema_inference_hints|input_format_values_.*expressions)$/;
/** Settings whose value is SQL. */
const expressionSettings =
  /^(additional_table_filters|additional_result_filter|parallel_replicas_custom_key)$/;

const fileFunctions = new Set(['file', 'catboostevaluate', 'executable', 'eval']);
/** Table functions that take the structure of a table, defaults of columns included, as a string. */
const structured = new Set(['format', 'values', 'null', 'generaterandom', 'fuzzjson', 'input']);

/** Throws code 497. */
export function refuse(what: string): never {
  throw exception(
    497,
    `${what} is not allowed by the embedded server: files of the host, programs and other servers are out of its reach.`,
  );
}

/** Whether no client may touch a setting. */
export function isForbiddenSetting(name: string): boolean {
  return forbiddenSettings.test(name.toLowerCase());
}

/** Whether SQL in a string might reach a file: `\x` may spell any name, and `format` may have a structure put together of parts. */
function mayReachFiles(sql: string): boolean {
  return (
    /\b(file|catboostEvaluate|executable|eval)\b|\\x/i.test(sql) ||
    (/\bselect\b/i.test(sql) && /\bformat\b/i.test(sql))
  );
}

/** Throws code 497 for a setting in the URL that no client may give this value. */
export function checkSetting(name: string, value: string): void {
  const isHidden = expressionSettings.test(name.toLowerCase()) && mayReachFiles(value);
  if (isForbiddenSetting(name) || isHidden) refuse(`The setting ${name}`);
}

/** Looks for what may reach files in data of format Values, whose expressions are evaluated; chunks may cut it anywhere. */
export class ValuesInspector {
  readonly #words = ['file', 'catboost', '\\x', 'select', 'format'];
  readonly #found = new Set<string>();
  #tail = '';

  readonly look = (chunk: Buffer): void => {
    const text = this.#tail + chunk.toString('latin1').toLowerCase();
    for (const word of this.#words) if (text.includes(word)) this.#found.add(word);
    this.#tail = text.slice(-8);
  };

  mayReachFiles(): boolean {
    const has = (word: string): boolean => this.#found.has(word);
    return has('file') || has('catboost') || has('\\x') || (has('select') && has('format'));
  }
}

/** Whether a name and a bracket are a call: a name of a table and its columns have a space between. */
export function isCall(name: Token | undefined, bracket: Token | undefined): boolean {
  return isName(name) && bracket?.text === '(' && name.end === bracket.start;
}

/** Throws where a function or a clause reads or writes files. Also for text as the client wrote it. */
export function refuseFiles(text: string): readonly Token[] {
  const tokens = tokenize(text);
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    if (isWord(token, 'INTO') && isWord(next, 'OUTFILE')) refuse('INTO OUTFILE');
    if (isWord(token, 'INFILE')) refuse('INFILE');
    if (!isName(token)) continue;
    const name = nameOf(token).toLowerCase();
    if (fileFunctions.has(name) && (next?.text === '(' || isWord(tokens[i - 1], 'APPLY')))
      refuse(`The function ${nameOf(token)}`);
    if (isForbiddenSetting(name)) refuse(`The setting ${name}`);
    if (next?.text === '=' && token.kind === 'identifier' && name.includes('\\'))
      refuse('A name of a setting with escapes');
  }
  return tokens;
}

/** `arrayMap(file, x)`: a name as the first argument may stand for a function; a column can be written `t.file`. */
function refuseNameAsFunction(tokens: readonly Token[], open: number): void {
  const first = tokens[open + 1];
  if (isName(first) && fileFunctions.has(nameOf(first).toLowerCase()) && tokens[open + 2]?.text === ',')
    refuse(`The name ${nameOf(first)} as a first argument (write a column as table.${nameOf(first)})`);
  const isParameter = first?.text === '{' && isWord(tokens[open + 4], 'IDENTIFIER');
  if (isParameter && tokens[open + 6]?.text === ',')
    refuse('A parameter of type Identifier as a first argument');
}

/** A structure must be a plain string, and one without calls that reach files. */
function checkStructure(tokens: readonly Token[], name: string, open: number): void {
  const first = tokens[open + 1];
  if (name === 'format' && first?.kind === 'string' && first.text.includes('{')) return;
  const last = closingBracket(tokens, open);
  const inside = tokens.slice(open + 1, last);
  if (name === 'format') {
    // A format's name, a structure and data, each literal.
    const isLiteral = inside.every(({ kind, text }, at) => {
      if (at % 2 === 1) return text === ',';
      return kind === 'string' || (at === 0 && (kind === 'word' || kind === 'identifier'));
    });
    if (!isLiteral) refuse('format() of anything but literals');
    if (inside.some(({ kind, text }) => kind === 'string' && mayReachFiles(text)))
      refuse('A call within format()');
    return;
  }
  const end = first?.text === '(' ? closingBracket(tokens, open + 1) : open + 1;
  const isPlain =
    first?.kind === 'string' ||
    first?.kind === 'number' ||
    first?.text === ')' ||
    (first?.text === '(' && !isWord(inside[1], 'SELECT') && !isWord(inside[1], 'WITH'));
  const after = tokens[end + 1]?.text;
  if (!isPlain || (first.text !== ')' && after !== ',' && after !== ')'))
    refuse(`${name}() with a structure that is no plain string`);
  if (first.kind === 'string' && mayReachFiles(first.text)) refuse(`A call in the structure of ${name}()`);
}

/** Throws code 497 for what only canonical text shows for sure: names as functions, and SQL in strings (I1, I2). */
export function refuseHiddenSql(tokens: readonly Token[]): void {
  for (const [i, token] of tokens.entries()) {
    if (!isName(token)) continue;
    const name = nameOf(token).toLowerCase();
    if (isCall(token, tokens[i + 1])) {
      refuseNameAsFunction(tokens, i + 1);
      if (structured.has(name)) checkStructure(tokens, name, i + 1);
    }
    if (expressionSettings.test(name) && tokens[i + 1]?.text === '=') {
      const isParameter =
        tokens[i + 2]?.text === '{' && tokens[i + 4]?.text === ':' && tokens[i + 3]?.kind !== 'string';
      const isHidden = tokens.some(({ kind, text }) => kind === 'string' && mayReachFiles(text));
      if (isParameter || isHidden) refuse(`Such a value of ${name}`);
    }
  }
}
