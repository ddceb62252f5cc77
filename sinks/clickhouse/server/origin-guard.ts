/**
 * Keeps web pages out. A browser lets any page send simple requests to 127.0.0.1, and a page whose own name
 * was re-bound to 127.0.0.1 may even read the answers (DNS rebinding).
 *
 * I1. `Host` must be an address, `localhost`, the configured host or an allowed name.
 * I2. A request that a browser marks as coming from another origin is refused, whatever its method.
 * I3. No CORS header is ever sent.
 */
import { isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback, type ServerOptions } from './server-options.ts';

/** The host part of `name:port` or `[v6]:port`, without brackets. */
function hostPart(authority: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(authority);
  return (bracketed?.[1] ?? authority.replace(/:\d*$/, '')).toLowerCase();
}

function isKnownHost(host: string, options: ServerOptions): boolean {
  if (host === 'localhost' || host === options.host.toLowerCase()) return true;
  if (options.allowedHosts.some((allowed) => allowed.toLowerCase() === host)) return true;
  return isIP(host) !== 0 && (!isLoopback(options.host) || isLoopback(host));
}

/** Why a request must be refused, or undefined. */
export function refusalOf(headers: IncomingHttpHeaders, options: ServerOptions): string | undefined {
  const authority = headers.host;
  if (authority !== undefined && !isKnownHost(hostPart(authority), options)) {
    return `the Host header names ${hostPart(authority)}, which is not a name of this server: use ${options.host}, or add the name to allowedHosts`;
  }
  const { origin } = headers;
  if (origin !== undefined) {
    const from = /^https?:\/\/(.+)$/.exec(origin)?.[1];
    if (from === undefined || from !== authority)
      return `requests from web pages of ${origin} are not accepted`;
  }
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site')
    return 'requests from web pages of other sites are not accepted';
  return undefined;
}
