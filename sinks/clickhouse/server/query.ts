/**
 * Runs one request on the engine.
 *
 * I1. What is executed is what was looked at: statements are taken in the engine's own canonical text,
 *     inserts are put together from recognised parts (insert-head.ts). One statement per request.
 * I2. Rows of a SELECT go to a file and are sent from there: the answer's size does not matter to memory, and
 *     a query that fails half-way is answered with its error and status, never with half an answer.
 * I3. `readonly` is set on the connection before the statement, where the engine allows no way back.
 * I4. Data of an insert is whole on disk before the insert begins; a body that broke off inserts nothing.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseFiles, ValuesInspector } from './file-access.ts';
import type { EngineConnection, EngineResult } from './engine.ts';
import { exception } from './exception.ts';
import { type InsertHead, parseInsertHead } from './insert-head.ts';
import { stringLiteral } from './lexer.ts';
import type { QueryRequest, Setting } from './query-request.ts';
import type { RequestBody } from './request-body.ts';
import { commentOf } from './running-queries.ts';
import type { Lease } from './sessions.ts';
import {
  canonicalQuery, intoFile, killByClientId, readStatement, requireReading, type Statement,
} from './statement.ts'; // prettier-ignore

/** What came out. `path` is a file with the answer, to be removed by the receiver. */
export interface QueryOutcome {
  readonly format: string;
  readonly result: EngineResult;
  readonly path: string | undefined;
  readonly isInsert: boolean;
}

export interface QueryContext {
  readonly request: QueryRequest;
  readonly body: RequestBody;
  readonly lease: Lease;
  readonly spoolPath: string;
  readonly maxQueryBytes: number;
  readonly allowedEngines: readonly string[];
  /** Called when a statement that changes something begins. */
  readonly onWrite: () => void;
  /** Whether the client has gone, so that a reading statement need not begin. */
  readonly isGone: () => boolean;
}

/** Settings that a read-only user may lower for itself by the URL: clients such as Grafana always send it. */
const settingsForAll = new Set(['max_execution_time']);

/** Whether expressions in data of format Values are evaluated: not where they might read a file (file-access.ts, I2). */
function valuesExpressions(areAllowed: boolean): readonly Setting[] {
  const value = areAllowed ? '1' : '0';
  return [
    ['input_format_values_interpret_expressions', value],
    ['input_format_values_deduce_templates_of_expressions', value],
  ];
}

function assignments(settings: readonly Setting[]): string {
  if (settings.length === 0) return '';
  return `SET ${settings.map(([name, value]) => `${name} = ${stringLiteral(value)}`).join(', ')}; `;
}

/** Statements that put the connection into the state that the request asks for. */
function prelude(context: QueryContext, extra: readonly Setting[]): string {
  const { request, lease } = context;
  const isLocked = request.user.isReadOnly && lease.isContinued;
  const own: readonly Setting[] = isLocked ? [] : [['log_comment', commentOf(request.queryId)], ...extra];
  const free = request.user.isReadOnly
    ? request.settings.filter(([name]) => settingsForAll.has(name))
    : request.settings;
  const bound = request.user.isReadOnly ? request.settings.filter(([name]) => !settingsForAll.has(name)) : [];
  const use = request.database === undefined ? '' : `USE ${identifier(request.database)}; `;
  const hasLevel = request.readonlyLevel > 0 && !(lease.isSession && (isLocked || !request.user.isReadOnly));
  const level = hasLevel ? `SET readonly = ${request.readonlyLevel}; ` : '';
  return use + assignments([...(isLocked ? [] : free), ...own]) + level + assignments(bound);
}

function identifier(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

/** The whole statement when it is none with data: URL and body together. */
function statementText(context: QueryContext): string {
  const { request, body, maxQueryBytes } = context;
  const text = Buffer.concat([Buffer.from(request.urlQuery, 'utf8'), Buffer.from('\n'), body.head]);
  if (!body.isComplete || text.length > maxQueryBytes + 1) {
    throw exception(62, `Syntax error: Max query size exceeded (${maxQueryBytes} bytes).`);
  }
  return text.toString('utf8').trim();
}

/** The head of an insert with data, if the request is one, and where in the body its data starts. */
async function findInsert(
  context: QueryContext,
): Promise<{ head: InsertHead; inline: Buffer; bodyStart: number } | undefined> {
  const { request, body, maxQueryBytes } = context;
  const url = Buffer.from(`${request.urlQuery}\n`, 'utf8');
  for (let bytes = 0; ; bytes = bytes === 0 ? 64 * 1024 : maxQueryBytes) {
    if (bytes > 0) await body.readHead(bytes);
    const isLast = body.isComplete || bytes >= maxQueryBytes;
    const text = url.toString('latin1') + body.head.toString('latin1');
    const parsed = parseInsertHead(body.isComplete ? `${text}\n` : text);
    if (parsed.kind === 'data') {
      const inline = url.subarray(parsed.dataStart);
      return { head: parsed, inline, bodyStart: Math.max(0, parsed.dataStart - url.length) };
    }
    if (isLast) return undefined;
    if (parsed.kind === 'other' && bytes > 0) {
      await body.readHead(maxQueryBytes);
      return undefined;
    }
  }
}

async function insert(
  context: QueryContext,
  { head, inline, bodyStart }: { head: InsertHead; inline: Buffer; bodyStart: number },
): Promise<QueryOutcome> {
  const { request, body, lease, spoolPath } = context;
  checkReadonly({ verb: 'INSERT', hasSettings: false }, request);
  const utf8 = (part: string): string => Buffer.from(part, 'latin1').toString('utf8');
  const target = utf8(head.target);
  const settings = utf8(head.settings);
  refuseFiles(`${target} ${settings}`);
  const path = join(spoolPath, `${randomUUID()}.in`);
  try {
    const inspector = new ValuesInspector();
    await body.spoolTo(
      path,
      bodyStart,
      inline.toString('utf8').trim() === '' ? undefined : inline,
      inspector.look,
    );
    const sql =
      `INSERT INTO ${target} FROM INFILE ${stringLiteral(path)} COMPRESSION 'none'` +
      `${settings === '' ? '' : ` SETTINGS ${settings}`} FORMAT ${head.format}`;
    context.onWrite();
    const extra = valuesExpressions(!inspector.mayReachFiles());
    const result = await lease.connection.run(
      prelude(context, extra) + sql,
      'TabSeparated',
      request.parameters,
    );
    return { format: 'TabSeparated', result, path: undefined, isInsert: true };
  } finally {
    await rm(path, { force: true });
  }
}

function readonlyHint(request: QueryRequest): string {
  if (request.user.isReadOnly || request.method !== 'GET') return '';
  return ' For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries.';
}

function checkReadonly(statement: Pick<Statement, 'verb' | 'hasSettings'>, request: QueryRequest): void {
  const { readonlyLevel, user } = request;
  if (readonlyLevel !== 0) requireReading(statement, readonlyLevel, user.name, readonlyHint(request));
}

async function canonicalise(
  connection: EngineConnection,
  sql: string,
  allowedEngines: readonly string[],
): Promise<Statement> {
  const { bytes } = await connection.run(canonicalQuery(sql), 'RawBLOB');
  return readStatement(Buffer.from(bytes).toString('utf8'), allowedEngines);
}

async function runStatement(context: QueryContext): Promise<QueryOutcome> {
  const { request, lease, spoolPath } = context;
  const statement = await canonicalise(lease.connection, statementText(context), context.allowedEngines);
  checkReadonly(statement, request);
  const format = statement.format ?? request.defaultFormat;
  const before = prelude(context, valuesExpressions(false));
  if (!statement.isSelect) {
    context.onWrite();
    const sql = statement.verb === 'KILL' ? killByClientId(statement) : statement.canonical;
    const result = await lease.connection.run(before + sql, request.defaultFormat, request.parameters);
    return { format, result, path: undefined, isInsert: statement.verb === 'INSERT' };
  }
  if (context.isGone()) throw exception(210, 'The client has gone before the query began.');
  const path = join(spoolPath, `${randomUUID()}.out`);
  try {
    const sql = before + intoFile(statement, path, request.defaultFormat);
    const result = await lease.connection.run(sql, request.defaultFormat, request.parameters);
    return { format, result, path, isInsert: false };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Run the request's statement. Rejects with a ServerException or the engine's error. */
export async function runQuery(context: QueryContext): Promise<QueryOutcome> {
  const found = await findInsert(context);
  return found === undefined ? runStatement(context) : insert(context, found);
}
