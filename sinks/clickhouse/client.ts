/** The ClickHouse client as the sink and its neighbours use it. */
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';

export interface ClientConfig {
  /** `http://host:8123` */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** That names without one are looked up in; it must exist. The server's own default without it. */
  readonly database?: string;
  /** Connections at a time; more requests than these wait. Default 32: inserts of all tables at once (concurrency-limit.ts). */
  readonly maxConnections?: number;
  /** A request without an answer for so long has failed. Default 60,000. */
  readonly requestTimeoutMs?: number;
}

/**
 * Of queries over the shards of a cluster: a shard that is away is an error, not fewer rows, whatever the profile says; and what
 * one is joined with comes from all of them (ClickHouse refuses such joins by default). Without a cluster they have no effect.
 */
export const ACROSS_SHARDS = { skip_unavailable_shards: 0, distributed_product_mode: 'global' } as const;

/**
 * That an answer is whole and of now, whatever the profile says: what is inserted again, and what an audit finds, goes by it. A
 * limit that is reached is an error.
 */
const WHOLE_ANSWERS = {
  use_query_cache: 0,
  read_overflow_mode: 'throw',
  read_overflow_mode_leaf: 'throw',
  result_overflow_mode: 'throw',
  group_by_overflow_mode: 'throw',
  sort_overflow_mode: 'throw',
  distinct_overflow_mode: 'throw',
  set_overflow_mode: 'throw',
  join_overflow_mode: 'throw',
  transfer_overflow_mode: 'throw',
  timeout_overflow_mode: 'throw',
  timeout_overflow_mode_leaf: 'throw',
} as const;

/** Opens a client; `close` it at the end. Failures reach the caller as errors only: the client itself logs nothing. */
export function openClient(config: ClientConfig): ClickHouseClient {
  const { url, username = 'default', password = '', maxConnections = 32, requestTimeoutMs = 60_000 } = config;
  return createClient({
    ...(config.database === undefined ? {} : { database: config.database }),
    url,
    username,
    password,
    application: 'weir',
    max_open_connections: maxConnections,
    clickhouse_settings: { ...ACROSS_SHARDS, ...WHOLE_ANSWERS },
    request_timeout: requestTimeoutMs,
    log: { level: ClickHouseLogLevel.OFF },
  });
}
