/**
 * What a request asks for, read from its URL and headers as ClickHouse does
 * (https://clickhouse.com/docs/interfaces/http).
 *
 * I1. A URL parameter that is none of the interface's own is a setting, passed on to the engine.
 * I2. `readonlyLevel` is 1 for the read-only user, at least 2 for GET, and never less than a `readonly` in the URL.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { User } from './auth.ts';
import { checkSetting } from './file-access.ts';
import { exception } from './exception.ts';

/** A setting's name and its value as text. */
export type Setting = readonly [name: string, value: string];

export interface SessionRequest {
  readonly id: string;
  readonly timeoutMs: number;
  /** Fail if the session is not there yet. */
  readonly mustExist: boolean;
}

export interface QueryRequest {
  readonly user: User;
  readonly method: 'GET' | 'POST';
  /** 0: may write; 1: neither writes nor settings; 2: no writes. The engine's setting `readonly`. */
  readonly readonlyLevel: 0 | 1 | 2;
  readonly queryId: string;
  /** The part of the statement that is in the URL. */
  readonly urlQuery: string;
  readonly database: string | undefined;
  readonly defaultFormat: string;
  readonly settings: readonly Setting[];
  /** Values of `{name:Type}` placeholders, escaped as in TabSeparated. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly session: SessionRequest | undefined;
  /** Protocol revision that the client wants Native output for; 0 for the plain format. */
  readonly nativeRevision: number;
  /** Encodings that the answer may be compressed with, from Accept-Encoding; empty if it must not be. */
  readonly acceptEncoding: string;
}

/** Parameters of the interface that mean nothing here: there are no quotas, progress headers and such. */
const ignored = new Set([
  'query', 'database', 'default_format', 'user', 'password', 'quota_key', 'query_id', 'stacktrace', 'buffer_size',
  'wait_end_of_query', 'session_id', 'session_timeout', 'session_check', 'close_session', 'readonly', 'log_comment',
  'enable_http_compression', 'http_zlib_compression_level', 'http_wait_end_of_query', 'send_progress_in_http_headers',
  'http_headers_progress_interval_ms', 'http_response_buffer_size', 'http_write_exception_in_output_format',
  'add_http_cors_header', 'cancel_http_readonly_queries_on_client_close', 'client_protocol_version',
]); // prettier-ignore

const unsupported: ReadonlyMap<string, string> = new Map([
  [
    'compress',
    "blocks in ClickHouse's own compression: use enable_http_compression=1 with Accept-Encoding instead",
  ],
  ['decompress', "blocks in ClickHouse's own compression: use Content-Encoding instead"],
  ['role', 'roles: there are only the users default and readonly'],
]);

const settingName = /^[A-Za-z_][A-Za-z0-9_.]*$/;
const formatName = /^[A-Za-z0-9_]+$/;
const maxSessionTimeoutS = 3600;

function headerOf(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function readSettings(url: URLSearchParams): readonly Setting[] {
  const settings: Setting[] = [];
  for (const [name, value] of url) {
    if (name === '' || ignored.has(name) || name.startsWith('param_')) continue;
    const reason = unsupported.get(name);
    if (reason !== undefined) {
      if (value === '' || value === '0') continue;
      throw exception(
        48,
        `The URL parameter ${name} is not supported by the embedded server, which has no ${reason}.`,
      );
    }
    if (!settingName.test(name)) throw exception(115, `Unknown setting '${name.slice(0, 200)}'.`);
    checkSetting(name, value);
    settings.push([name, value]);
  }
  return settings;
}

function readParameters(url: URLSearchParams): Readonly<Record<string, string>> {
  const found = [...url].filter(([name]) => name.startsWith('param_') && name.length > 6);
  return Object.fromEntries(found.map(([name, value]) => [name.slice(6), value]));
}

function readSession(url: URLSearchParams): SessionRequest | undefined {
  const id = url.get('session_id') ?? '';
  if (id === '') return undefined;
  const timeoutS = Number(url.get('session_timeout') ?? '60');
  if (!Number.isInteger(timeoutS) || timeoutS < 1 || timeoutS > maxSessionTimeoutS) {
    throw exception(
      36,
      `Invalid session timeout: a whole number of seconds from 1 to ${maxSessionTimeoutS} is expected.`,
    );
  }
  return { id, timeoutMs: timeoutS * 1000, mustExist: url.get('session_check') === '1' };
}

function levelOf(user: User, isGet: boolean, inUrl: string | null): 0 | 1 | 2 {
  if (user.isReadOnly || inUrl === '1') return 1;
  return isGet || inUrl === '2' ? 2 : 0;
}

/** Read a request. Throws a ServerException for what cannot be served. */
export function readQueryRequest(message: IncomingMessage, url: URLSearchParams, user: User): QueryRequest {
  const isGet = message.method !== 'POST';
  const defaultFormat =
    headerOf(message, 'x-clickhouse-format') ?? url.get('default_format') ?? 'TabSeparated';
  if (!formatName.test(defaultFormat))
    throw exception(36, `Invalid format name '${defaultFormat.slice(0, 100)}'.`);
  const queryId = url.get('query_id') ?? '';
  if (queryId.length > 1000) throw exception(36, 'The query_id is longer than 1000 characters.');
  const compress = url.get('enable_http_compression');
  const revision = Number(url.get('client_protocol_version') ?? '0');
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw exception(36, 'client_protocol_version must be a number.');
  return {
    user,
    nativeRevision: revision,
    method: isGet ? 'GET' : 'POST',
    readonlyLevel: levelOf(user, isGet, url.get('readonly')),
    queryId: queryId === '' ? randomUUID() : queryId,
    urlQuery: url.getAll('query').join(''),
    database: (url.get('database') ?? headerOf(message, 'x-clickhouse-database') ?? '') || undefined,
    defaultFormat,
    settings: readSettings(url),
    parameters: readParameters(url),
    session: readSession(url),
    acceptEncoding:
      compress === '1' || compress === 'true' ? (headerOf(message, 'accept-encoding') ?? '') : '',
  };
}
