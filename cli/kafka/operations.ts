/** Metrics and health of a run (cli/operations), from before it starts to after it has stopped. */
import { taskCount } from '#engine/topology/app.ts';
import { weirApp } from '../app.ts';
import { entryOfError } from '../operations/log-entry.ts';
import type { LogEntry } from '../operations/logger.ts';
import type { OperationsSettings } from '../operations/operations-options.ts';
import { askClickHouse, askKafka, startOperations, type RunView } from '../operations/start-operations.ts';
import type { RunPhase } from '../operations/health.ts';
import { packageVersion } from '../package-root.ts';
import type { KafkaRun } from './run.ts';
import type { Targets } from './targets.ts';

export interface RunOperations {
  /** `http://host:port` */
  readonly url: string;
  begin(run: KafkaRun): void;
  end(): void;
  close(): Promise<void>;
}

/** Undefined where they are not asked for. @throws CliError `environment` when it cannot listen */
export async function startRunOperations(
  config: { readonly operations: OperationsSettings; readonly processors: readonly string[] },
  { connection, server }: Targets,
  log: (entry: LogEntry) => void,
): Promise<RunOperations | undefined> {
  const { metrics } = config.operations;
  if (metrics === undefined) return undefined;
  let phase: RunPhase = 'starting';
  let view: RunView | undefined;
  const processors = weirApp.processors.filter(({ name }) => config.processors.includes(name));
  const operations = await startOperations({
    ...metrics,
    version: packageVersion(),
    expected: processors.map((one) => ({ processor: one.name, tasks: taskCount(one) })),
    run: () => view,
    phase: () => phase,
    servers: { kafka: askKafka(connection), clickhouse: askClickHouse(server.url) },
    onError: (error) => {
      log(entryOfError({ component: 'operations' }, error));
    },
  });
  return {
    url: operations.url,
    begin: ({ startedAtMs, workers, sink }) => {
      phase = 'running';
      view = { startedAtMs, workers: () => workers.status(), sink: () => sink.stats() };
    },
    end: () => {
      phase = 'stopping';
    },
    close: () => operations.close(),
  };
}
