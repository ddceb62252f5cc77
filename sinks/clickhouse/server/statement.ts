/**
 * What a statement is, told from its canonical text: the engine's own parser has read the client's text and
 * written it out again (`formatQuerySingleLine`), so there are no comments, no odd quotes and only one
 * statement left, and what is looked at here is what is executed.
 *
 * I1. Files of the host, programs and other servers are out of reach: see confinement.ts, and engine-config.ts for
 *     what the engine itself refuses.
 * I2. A statement from a read-only user or by GET is refused here if it is none of the reading ones; the
 *     engine's `readonly` setting refuses on top of that.
 */
import { confine } from './confinement.ts';
import { exception } from './exception.ts';
import { isWord, nameOf, stringLiteral, tokenize, type Token } from './lexer.ts';

export interface Statement {
  /** First keyword in upper case. */
  readonly verb: string;
  readonly canonical: string;
  /** The format that the statement itself asks for. */
  readonly format: string | undefined;
  /** Whether it, or a part of it, has a SETTINGS clause. */
  readonly hasSettings: boolean;
  /** Whether it yields rows in quantity: SELECT. */
  readonly isSelect: boolean;
  /** Offset in `canonical` before which an output clause can be put. */
  readonly outputAt: number;
}

const readingVerbs = new Set([
  'SELECT',
  'WITH',
  'SHOW',
  'DESCRIBE',
  'DESC',
  'EXPLAIN',
  'EXISTS',
  'SET',
  'USE',
  'CHECK',
]);

/** Query whose result is the canonical text of `sql`. */
export function canonicalQuery(sql: string): string {
  return `SELECT formatQuerySingleLine(${stringLiteral(sql)})`;
}

/** The last FORMAT clause that belongs to the statement and not to a part of it. */
function formatClause(tokens: readonly Token[]): { readonly at: number; readonly name: string } | undefined {
  let depth = 0;
  let found: { at: number; name: string } | undefined;
  for (const [i, token] of tokens.entries()) {
    if (token.text === '(' || token.text === '[' || token.text === '{') depth++;
    else if (token.text === ')' || token.text === ']' || token.text === '}') depth--;
    else if (depth === 0 && isWord(token, 'FORMAT')) {
      const name = tokens[i + 1];
      const after = tokens[i + 2];
      // The name is quoted where it is a keyword as well: FORMAT `Values`.
      if (
        (name?.kind === 'word' || name?.kind === 'identifier') &&
        (after === undefined || isWord(after, 'SETTINGS'))
      ) {
        found = { at: token.start, name: nameOf(name) };
      }
    }
  }
  return found;
}

/**
 * Read a canonical text. Throws a ServerException for what no client may do.
 * @param allowedEngines table engines allowed beyond those that work inside of the data directory
 */
export function readStatement(canonical: string, allowedEngines: readonly string[] = []): Statement {
  const tokens = tokenize(canonical);
  const first = tokens.find((token) => token.text !== '(');
  const verb = (first?.text ?? '').toUpperCase();
  confine(canonical, verb, allowedEngines);
  if (tokens.some((token, i) => isWord(token, 'PARALLEL') && isWord(tokens[i + 1], 'WITH'))) {
    throw exception(
      48,
      'PARALLEL WITH is not supported by the embedded server: send the statements one by one.',
    );
  }
  const format = formatClause(tokens);
  const isSelect = verb === 'SELECT' || verb === 'WITH';
  const hasSettings = tokens.some((token, i) => isWord(token, 'SETTINGS') && tokens[i + 2]?.text === '=');
  return {
    verb,
    canonical,
    format: format?.name,
    hasSettings,
    isSelect,
    outputAt: format?.at ?? canonical.length,
  };
}

/**
 * Refuse what does more than read. At level 1 (the read-only user) settings are refused as well, here for the
 * sake of those in subqueries, which the engine does not check.
 * `hint` says why the request is read-only, where that may surprise.
 */
export function requireReading(
  statement: Pick<Statement, 'verb' | 'hasSettings'>,
  level: 1 | 2,
  userName: string,
  hint: string,
): void {
  const { verb, hasSettings } = statement;
  const changesSettings = verb === 'SET' || hasSettings;
  if (!readingVerbs.has(verb) || (level === 1 && changesSettings)) {
    throw exception(
      164,
      `${userName}: Cannot execute query${changesSettings ? ' with settings' : ''} in readonly mode.${hint}`,
    );
  }
}

/** The text that writes the statement's rows into a file in the wanted format. */
export function intoFile(statement: Statement, path: string, defaultFormat: string): string {
  const head = statement.canonical.slice(0, statement.outputAt).trimEnd();
  const tail = statement.canonical.slice(statement.outputAt);
  const format = statement.format === undefined ? ` FORMAT ${defaultFormat}` : ` ${tail}`;
  return `${head} INTO OUTFILE ${stringLiteral(path)} COMPRESSION 'none'${format}`;
}

/**
 * KILL QUERY by the query_id that clients know. The engine gives its queries ids of its own; the client's
 * is kept in `log_comment` (see query.ts).
 */
export function killByClientId(statement: Statement): string {
  let text = '';
  let at = 0;
  for (const token of tokenize(statement.canonical)) {
    if (token.kind === 'string' || nameOf(token) !== 'query_id') continue;
    text += `${statement.canonical.slice(at, token.start)}substring(Settings['log_comment'], 6)`;
    at = token.end;
  }
  return text + statement.canonical.slice(at);
}
