/**
 * Reports: `reports/<name>.sql`. A header of comment lines, then one SELECT:
 *
 *     -- question: Which devices wrote most?
 *     -- parameter: hours UInt32 default 24: how far back to look
 *     -- column: device_id: device, as host/name
 *     --   and the application where one is meant        (a line indented by three spaces goes on with the one before)
 *     SELECT device_id FROM failover_io_samples WHERE at > now() - toIntervalHour({hours:UInt32})
 *
 * I1  What parses is whole: every `{name:Type}` is declared with that type, and every declared parameter is used.
 * I2  It only reads: one statement, which begins with SELECT or WITH.
 */
import { isWord, tokenize, type Token } from '#sinks/clickhouse/server/lexer.ts';
import { CliError } from '../cli-error.ts';
import { parameterType, parameterTypeNames, type ParameterType } from './parameter-type.ts';

export interface ReportParameter {
  readonly name: string;
  readonly type: ParameterType;
  /** The default, as a user would write it. */
  readonly defaultText: string;
  readonly description: string;
}

export interface ReportColumn {
  readonly name: string;
  /** Meaning and unit. */
  readonly meaning: string;
}

export interface Report {
  readonly name: string;
  /** What it answers, in plain words. */
  readonly question: string;
  readonly parameters: readonly ReportParameter[];
  readonly columns: readonly ReportColumn[];
  readonly sql: string;
}

interface HeaderLine {
  readonly lineNumber: number;
  readonly keyword: string;
  text: string;
}

const identifier = /^[a-z][a-z0-9_]*$/;

type Refuse = (lineNumber: number, why: string) => CliError;

/** The lines before the statement, continuation lines joined, and the number of lines they take. */
function headerOf(lines: readonly string[], refuse: Refuse): [HeaderLine[], number] {
  const header: HeaderLine[] = [];
  let i = 0;
  for (; i < lines.length; i++) {
    const line = lines[i]!;
    if (!line.startsWith('--')) break;
    const more = /^-- {3,}(\S.*)$/.exec(line);
    const last = header.at(-1);
    if (more !== null && last !== undefined) {
      last.text += ` ${more[1]!.trim()}`;
      continue;
    }
    const match = /^-- (question|parameter|column): (\S.*)$/.exec(line);
    if (match === null)
      throw refuse(i + 1, "a line of the header is '-- question: …', '-- parameter: …' or '-- column: …'");
    header.push({ lineNumber: i + 1, keyword: match[1]!, text: match[2]!.trim() });
  }
  return [header, i];
}

/** `<name> <Type> default <literal>: <description>` */
function parameterOf({ text, lineNumber }: HeaderLine, refuse: Refuse): ReportParameter {
  const match = /^(\S+) (\w+(?:\([^)]*\))?) default (?:'((?:[^'\\]|\\.|'')*)'|([^\s':]\S*?)): (\S.*)$/.exec(
    text,
  );
  if (match === null) throw refuse(lineNumber, 'write: <name> <Type> default <literal>: <description>');
  const [, name = '', typeName = '', quoted, bare = '', description = ''] = match;
  if (!identifier.test(name)) throw refuse(lineNumber, `'${name}' is no name in lower case with underscores`);
  const type = parameterType(typeName);
  if (type === undefined)
    throw refuse(lineNumber, `${typeName} is none of the types ${parameterTypeNames.join(', ')}`);
  const defaultText =
    quoted === undefined ? bare : quoted.replace(/''|\\(.)/g, (_, char?: string) => char ?? "'");
  if (type.encode(defaultText) === undefined)
    throw refuse(
      lineNumber,
      `the default ${defaultText} is no ${typeName}, which is written like ${type.example}`,
    );
  return { name, type, defaultText, description };
}

/** `<name>: <meaning, unit>` */
function columnOf({ text, lineNumber }: HeaderLine, refuse: Refuse): ReportColumn {
  const match = /^([a-z][a-z0-9_]*): (\S.*)$/.exec(text);
  if (match === null) throw refuse(lineNumber, 'write: <name>: <meaning, unit>');
  return { name: match[1]!, meaning: match[2]! };
}

/** Placeholders `{name:Type}` of a statement, spaces removed. */
function placeholders(sql: string, tokens: readonly Token[]): Map<string, string> {
  const found = new Map<string, string>();
  tokens.forEach((token, i) => {
    const colon = tokens[i + 2];
    if (token.text !== '{' || tokens[i + 1]?.kind !== 'word' || colon?.text !== ':') return;
    const close = tokens.slice(i + 3).find((other) => other.text === '}');
    if (close !== undefined)
      found.set(tokens[i + 1]!.text, sql.slice(colon.end, close.start).replaceAll(/\s/g, ''));
  });
  return found;
}

function checkStatement(sql: string, lineNumber: number, refuse: Refuse): readonly Token[] {
  const tokens = tokenize(sql);
  const broken = tokens.find((token) => token.kind === 'error');
  if (broken !== undefined)
    throw refuse(lineNumber, `a quote or comment is not closed: ${broken.text.slice(0, 40)}`);
  if (!isWord(tokens[0], 'SELECT') && !isWord(tokens[0], 'WITH'))
    throw refuse(lineNumber, 'after the header comes one statement that begins with SELECT or WITH');
  if (tokens.some((token) => token.text === ';' && token.kind === 'punctuation'))
    throw refuse(lineNumber, "one statement only, without ';' at its end");
  return tokens;
}

function checkUse(
  parameters: readonly ReportParameter[],
  used: ReadonlyMap<string, string>,
  lineNumber: number,
  refuse: Refuse,
): void {
  for (const [name, typeName] of used) {
    const declared = parameters.find((parameter) => parameter.name === name);
    if (declared === undefined)
      throw refuse(lineNumber, `{${name}:${typeName}} is not declared by a '-- parameter:' line`);
    if (declared.type.name !== typeName)
      throw refuse(lineNumber, `{${name}:${typeName}} is declared as ${declared.type.name}`);
  }
  const unused = parameters.find((parameter) => !used.has(parameter.name));
  if (unused !== undefined) throw refuse(lineNumber, `parameter '${unused.name}' is declared but not used`);
}

function refuseRepeated(names: readonly string[], what: string, refuse: Refuse): void {
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw refuse(1, `${what} '${repeated}' is declared twice`);
}

/**
 * Parses a report. Throws a CliError that names file and line.
 * @param file its path, for messages
 */
export function parseReport(name: string, text: string, file: string): Report {
  const refuse: Refuse = (lineNumber, why) => new CliError('failure', `${file}:${lineNumber}: ${why}`);
  const lines = text.split(/\r?\n/);
  const [header, statementStart] = headerOf(lines, refuse);
  const [question, ...others] = header.filter((line) => line.keyword === 'question');
  if (question === undefined || others.length > 0)
    throw refuse(others[0]?.lineNumber ?? 1, "the header has one '-- question: …' line");
  const only = (keyword: string): HeaderLine[] => header.filter((line) => line.keyword === keyword);
  const parameters = only('parameter').map((line) => parameterOf(line, refuse));
  const columns = only('column').map((line) => columnOf(line, refuse));
  if (columns.length === 0)
    throw refuse(1, "the header has a '-- column: …' line for each column of the result");
  refuseRepeated(
    parameters.map((parameter) => parameter.name),
    'parameter',
    refuse,
  );
  refuseRepeated(
    columns.map((column) => column.name),
    'column',
    refuse,
  );
  const sql = lines.slice(statementStart).join('\n').trim();
  const tokens = checkStatement(sql, statementStart + 1, refuse);
  checkUse(parameters, placeholders(sql, tokens), statementStart + 1, refuse);
  return { name, question: question.text, parameters, columns, sql };
}
