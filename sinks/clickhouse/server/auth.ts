/**
 * Users of the HTTP interface and how a request names one.
 *
 * I1. One way per request: mixing them is refused, as ClickHouse does.
 * I2. A wrong name and a wrong password get the same answer in the same time.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { exception } from './exception.ts';
import type { ServerOptions } from './server-options.ts';

export interface User {
  readonly name: 'default' | 'readonly';
  /** The engine's setting `readonly` for what this user runs. */
  readonly isReadOnly: boolean;
}

interface Credentials {
  readonly name: string;
  readonly password: string;
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function fromBasic(authorization: string): Credentials {
  const match = /^basic +([A-Za-z0-9+/=_-]*)$/i.exec(authorization.trim());
  if (match?.[1] === undefined) {
    throw exception(
      516,
      'Invalid authentication: only the Basic scheme of the Authorization header is supported.',
    );
  }
  const text = Buffer.from(match[1], 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0
    ? { name: text, password: '' }
    : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function credentialsOf(headers: IncomingHttpHeaders, url: URLSearchParams): Credentials {
  const found: Credentials[] = [];
  const authorization = header(headers, 'authorization');
  if (authorization !== undefined) found.push(fromBasic(authorization));
  const name = header(headers, 'x-clickhouse-user');
  const key = header(headers, 'x-clickhouse-key');
  if (name !== undefined || key !== undefined) found.push({ name: name ?? 'default', password: key ?? '' });
  if (url.has('user') || url.has('password')) {
    found.push({ name: url.get('user') ?? 'default', password: url.get('password') ?? '' });
  }
  if (found.length > 1) {
    throw exception(
      516,
      'Invalid authentication: it is not allowed to use more than one of the Authorization header, ' +
        'X-ClickHouse HTTP headers and authentication via parameters simultaneously.',
    );
  }
  const only = found[0] ?? { name: 'default', password: '' };
  return only.name === '' ? { name: 'default', password: only.password } : only;
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Who sends this request. Throws code 516. */
export function authenticate(
  headers: IncomingHttpHeaders,
  url: URLSearchParams,
  options: ServerOptions,
): User {
  const given = credentialsOf(headers, url);
  const isReadOnly = given.name === 'readonly';
  const expected = isReadOnly
    ? options.readOnlyPassword
    : given.name === 'default'
      ? options.defaultPassword
      : undefined;
  const matches = sameText(given.password, expected ?? '');
  if (expected === undefined || !matches) {
    throw exception(
      516,
      `${given.name}: Authentication failed: password is incorrect, or there is no user with such name.`,
    );
  }
  return isReadOnly ? { name: 'readonly', isReadOnly } : { name: 'default', isReadOnly };
}
