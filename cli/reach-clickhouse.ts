/**
 * The first word with a ClickHouse: who cannot reach it is told which one it is.
 *
 * I1  Addresses are shown without user, password and parameters: these may be secrets.
 */
import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { reasonOf } from '#sinks/clickhouse/error.ts';
import { CliError } from './cli-error.ts';

/** A server that is busy answers `/ping` at once; one that is frozen does not. */
const answerMs = 10_000;

/**
 * Resolves when there is a server that answers, whatever it answers: what it refuses is told by who asks for it.
 *
 * @throws CliError `environment` that names the address
 */
export async function reachClickHouse(client: ClickHouseClient, url: string): Promise<void> {
  const late = AbortSignal.timeout(answerMs);
  const answer = await client.ping({ select: false, abort_signal: late });
  if (answer.success || (!late.aborted && !isOfNetwork(answer.error))) return;
  const reason = late.aborted ? `no answer within ${answerMs / 1_000} s` : reasonOf(answer.error);
  throw new CliError('environment', `ClickHouse at ${shownAddress(url)} cannot be reached: ${reason}`, {
    cause: answer.error,
    remedies: [
      'start it, or correct its address: --url, WEIR_CLICKHOUSE_URL, or clickhouse.url of the configuration file',
    ],
  });
}

/** Errors of Node's sockets, TLS and DNS have a code; a page of a proxy has none. */
function isOfNetwork(error: Error): boolean {
  if (error instanceof AggregateError) return true;
  return !(error instanceof ClickHouseError) && 'code' in error && typeof error.code === 'string';
}

/** Scheme, host, port and path. */
export function shownAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
