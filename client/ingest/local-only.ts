/**
 * Without tokens the endpoint is for this machine alone, and not for web pages that a browser on it shows: any page may
 * send requests to 127.0.0.1, and one whose name was re-bound to 127.0.0.1 may read the answers (DNS rebinding).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a host that is listened on, or named, is this machine only. */
export function isLoopback(host: string): boolean {
  const kind = isIP(host);
  if (kind === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, kind === 4 ? 'ipv4' : 'ipv6');
}

/** Why a request cannot be of a program on this machine; undefined when it can. */
export function foreignness(headers: IncomingHttpHeaders): string | undefined {
  const authority = headers.host ?? '';
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(authority);
  const host = bracketed?.[1] ?? authority.replace(/:\d*$/, '');
  if (!isLoopback(host))
    return `the Host header names '${host}', and without tokens only requests to 127.0.0.1 or localhost are taken`;
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    return 'without tokens no requests of web pages are taken';
  return undefined;
}
