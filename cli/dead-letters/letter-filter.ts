/** Which dead letters are meant: the options of `weir dead-letters`, as a condition of ClickHouse. */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { durationMs } from '../duration.ts';

export interface FilterOptions {
  readonly topic?: string;
  readonly reader?: string;
  readonly code?: string;
  readonly since?: string;
}

/** A condition with its parameters. */
export interface Condition {
  readonly sql: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export function addFilterOptions(command: Command): Command {
  return command
    .option('--topic <name>', 'of records of this topic')
    .option('--reader <name>', "of this reader: 'sink clickhouse', 'processor <name>', 'produce'")
    .option('--code <code>', 'with this code of failure')
    .option('--since <time>', 'that failed since then: 2026-03-01T12:00:00Z, or 2h for the last two hours');
}

export const isEmptyFilter = ({ topic, reader, code, since }: FilterOptions): boolean =>
  topic === undefined && reader === undefined && code === undefined && since === undefined;

/** @throws CliError usage, for a time that is none */
export function conditionOf({ topic, reader, code, since }: FilterOptions, nowMs: number): Condition {
  const parts = [
    topic === undefined ? [] : ['topic = {topic:String}'],
    reader === undefined ? [] : ['reader = {reader:String}'],
    code === undefined ? [] : ['code = {code:String}'],
    since === undefined ? [] : ['failed_at >= fromUnixTimestamp64Milli({since:Int64})'],
  ].flat();
  return {
    sql: parts.length === 0 ? '1' : parts.join(' AND '),
    parameters: {
      ...(topic === undefined ? {} : { topic }),
      ...(reader === undefined ? {} : { reader }),
      ...(code === undefined ? {} : { code }),
      ...(since === undefined ? {} : { since: sinceMs(since, nowMs) }),
    },
  };
}

function sinceMs(text: string, nowMs: number): number {
  if (/^[\d.]+[a-z]*$/.test(text)) return nowMs - durationMs(text, '--since');
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/.test(text) || !/\d[T ]\d/.test(text);
  const ms = Date.parse(hasZone ? text : `${text.replace(' ', 'T')}Z`);
  if (Number.isNaN(ms))
    throw new CliError('usage', `--since: '${text}' is no time; write 2026-03-01T12:00:00Z or 2h`);
  return ms;
}
