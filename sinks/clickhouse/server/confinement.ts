/**
 * Keeps statements inside of the data directory, where the engine's own rights do not (engine-config.ts): as a library
 * the engine takes its user for the owner of the host, and lets it name programs, URLs and paths in DDL.
 *
 * It works on canonical text (statement.ts), and by lists of what is allowed wherever there can be such a list.
 *
 * I1. Statements are of the known kinds. Tables and databases have engines that keep their data in the data directory,
 *     or one that the configuration allows. No DDL names a disk, a storage policy or a path.
 * I2. Dictionaries read tables of this server, by name, and live in memory.
 * I3. No function, clause or setting reaches files (file-access.ts).
 */
import { isCall, refuse, refuseFiles, refuseHiddenSql } from './file-access.ts';
import { closingBracket, isName, isWord, nameOf, type Token } from './lexer.ts';

/** Engines that work in memory or in the data directory, and read nothing but tables of this server. */
const ownTableEngines: readonly string[] = [
  ...['', 'Replacing', 'Summing', 'Aggregating', 'Collapsing', 'VersionedCollapsing', 'Coalescing', 'Graphite'].map(
    (kind) => `${kind}MergeTree`,
  ),
  'Memory', 'Null', 'Log', 'TinyLog', 'StripeLog', 'Buffer', 'Join', 'Set', 'Merge', 'Dictionary', 'GenerateRandom',
]; // prettier-ignore
const databaseEngines = new Set(['atomic', 'memory']);

const verbs = new Set([
  'SELECT', 'WITH', 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS', 'SET', 'USE', 'CHECK', 'INSERT', 'CREATE', 'REPLACE',
  'ATTACH', 'DETACH', 'DROP', 'UNDROP', 'TRUNCATE', 'RENAME', 'EXCHANGE', 'ALTER', 'DELETE', 'UPDATE', 'OPTIMIZE', 'SYSTEM',
  'KILL',
]); // prettier-ignore
const defining = new Set(['CREATE', 'REPLACE', 'ATTACH']);

const storageSettings = /^(disk|.*_disks?|storage_policy)$/;

const dictionaryLayout =
  /^(COMPLEX_KEY_)?(FLAT|HASHED|SPARSE_HASHED|HASHED_ARRAY|RANGE_HASHED|CACHE|DIRECT)$|^(IP_TRIE|POLYGON\w*)$/;

/** I1: engines, disks, paths. */
function checkDefinition(tokens: readonly Token[], verb: string, engines: ReadonlySet<string>): void {
  const settingsAt = tokens.findIndex((token) => isWord(token, 'SETTINGS') || isWord(token, 'SETTING'));
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    const name = isName(token) ? nameOf(token) : '';
    if (settingsAt >= 0 && i > settingsAt && next?.text === '=' && storageSettings.test(name.toLowerCase()))
      refuse(`The setting ${name}`);
    if (name.toLowerCase() === 'disk' && isCall(token, next)) refuse('A disk');
    if (!defining.has(verb)) continue;
    if (verb === 'ATTACH' && isWord(token, 'FROM') && next?.kind === 'string')
      refuse('ATTACH ... FROM a path');
    if (token.kind !== 'word' || token.text !== 'ENGINE' || next?.text !== '=') continue;
    const engine = tokens[i + 2];
    const engineName = engine === undefined ? '' : nameOf(engine);
    if (!isName(engine) || !engines.has(engineName.toLowerCase())) refuse(`The engine ${engineName}`);
  }
}

/** I2: `SOURCE(CLICKHOUSE(TABLE 't' DB 'd'))` or `SOURCE(NULL())`, and a layout in memory. */
function checkDictionary(tokens: readonly Token[]): void {
  for (const [i, token] of tokens.entries()) {
    const name = tokens[i + 2]?.text.toUpperCase() ?? '';
    if (isWord(token, 'LAYOUT') && !dictionaryLayout.test(name)) refuse(`The layout ${name}`);
    if (!isWord(token, 'SOURCE') || name === 'NULL') continue;
    if (name !== 'CLICKHOUSE') refuse(`A dictionary with the source ${name}`);
    const last = closingBracket(tokens, i + 3);
    for (let at = i + 4; at < last; at += 2) {
      const key = tokens[at]?.text.toUpperCase() ?? '';
      const value = tokens[at + 1];
      if (key !== 'TABLE' && key !== 'DB')
        refuse(`${key} in the source of a dictionary (put it into a view)`);
      if (!isName(value) && value?.kind !== 'string') refuse('An expression in the source of a dictionary');
    }
  }
}

/** What a CREATE, REPLACE or ATTACH makes: TABLE, DATABASE, DICTIONARY ... */
function objectOf(tokens: readonly Token[]): string {
  const leading = new Set(['CREATE', 'ATTACH', 'OR', 'REPLACE', 'TEMPORARY', 'MATERIALIZED', 'WINDOW']);
  return tokens.find(({ text }) => !leading.has(text.toUpperCase()))?.text.toUpperCase() ?? '';
}

/**
 * Check a statement's canonical text. Throws code 497 for what reaches out of the data directory.
 * @param allowedEngines table engines allowed beyond those of `ownTableEngines`
 */
export function confine(
  canonical: string,
  verb: string,
  allowedEngines: readonly string[],
): readonly Token[] {
  if (!verbs.has(verb)) refuse(`The statement ${verb}`);
  const tokens = refuseFiles(canonical);
  refuseHiddenSql(tokens);
  if (verb === 'ALTER') checkDefinition(tokens, verb, new Set());
  if (defining.has(verb)) {
    const object = objectOf(tokens);
    const tableEngines = new Set([...ownTableEngines, ...allowedEngines].map((name) => name.toLowerCase()));
    checkDefinition(tokens, verb, object === 'DATABASE' ? databaseEngines : tableEngines);
    if (object === 'DICTIONARY') checkDictionary(tokens);
  }
  return tokens;
}
