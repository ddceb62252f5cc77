/** What a run on Kafka shows: its line of progress, and the table of events and rows at its end. */
import { commands } from '#schemas/migration/generated.ts';
import { rowCounts } from '../demo-summary.ts';
import type { Result } from '../present/value.ts';
import type { KafkaRun } from './run.ts';

/** Duration in milliseconds; Infinity for a run until Ctrl-C. */
export async function headline({ workers, sink, edge }: KafkaRun, durationMs: number): Promise<string> {
  const until = Number.isFinite(durationMs) ? `of ${Math.round(durationMs / 1_000)} s` : 'until Ctrl-C';
  const status = workers.status();
  const tasks = status.flatMap((worker) => worker.tasks);
  const restoring = tasks.filter(({ phase }) => phase === 'restoring').length;
  const running = tasks.filter(({ phase }) => phase === 'running').length;
  const down = status.filter(({ pid }) => pid === undefined).length;
  let lag = 0;
  for (const task of tasks)
    for (const { position, end } of task.inputs) lag += Math.max(0, (end ?? position) - position);
  const stats = await sink.stats();
  const rows = stats.reduce((sum, table) => sum + table.rows, 0);
  const issued = stats.find(({ topic }) => topic === commands.topic)?.rows ?? 0;
  return [
    `running ${until}: ${edge.published} events published`,
    `${running} tasks${restoring === 0 ? '' : ` (${restoring} more are restored)`}`,
    `lag ${lag}`,
    `${rows} rows`,
    `${issued} commands`,
    ...(down === 0 ? [] : [`${down} of ${status.length} workers down`]),
  ].join(', ');
}

/** Rows of this run and in all, by topic and table. @param before rows of each table when the run began */
export async function eventsAndRows(
  { client, tables, sink }: KafkaRun,
  before: ReadonlyMap<string, number>,
): Promise<Result> {
  const now = await rowCounts(client, tables);
  const lag = new Map((await sink.stats()).map((table) => [table.table, table.lag]));
  return {
    columns: [
      { name: 'topic', kind: 'text' },
      { name: 'table', kind: 'text' },
      { name: 'rows of this run', kind: 'number' },
      { name: 'rows in all', kind: 'number' },
      { name: 'not there yet', kind: 'number' },
    ],
    rows: tables.map(({ stream, name }) => [
      stream.topic,
      name,
      (now.get(name) ?? 0) - (before.get(name) ?? 0),
      now.get(name) ?? 0,
      lag.get(name) ?? 0,
    ]),
  };
}
