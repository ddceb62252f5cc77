/**
 * A worker: this process's share of the app's tasks, for the run that started it.
 *
 * I1  It ends with its run: a channel that ends is an order to stop, and 6 s later the end, whatever it is doing.
 * I2  Ctrl-C, and a terminal that is closed, are the run's to handle: the terminal tells all processes, and only the run knows the
 *     order of things.
 */
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { connectionFromSettings } from '#engine/kafka/connection-settings.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import type { App } from '#engine/topology/app.ts';
import { weirApp } from '../app.ts';
import { CliError } from '../cli-error.ts';
import { plainError, type FromWorker, type ToWorker, type WorkerConfig } from './worker-protocol.ts';

const statusEveryMs = 250;
/** When the run is gone, or a stranger stops this process alone. */
const stopMs = 4_000;
/** A start that hangs at brokers which do not answer must not outlive its run. */
const lingerMs = 2_000;

export function appWith(processors: readonly string[]): App {
  return { ...weirApp, processors: weirApp.processors.filter(({ name }) => processors.includes(name)) };
}

/** Runs until it is told to stop. */
export async function runWorker(): Promise<void> {
  if (process.send === undefined)
    throw new CliError('usage', 'weir worker is started by weir up, not by hand');
  const tell = (message: FromWorker): void => {
    // The channel may end while it is written to; then there is nobody to tell.
    if (process.connected) process.send!(message, undefined, undefined, () => undefined);
  };
  const stop = new Promise<number>((resolve) => {
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
    process.once('SIGTERM', () => {
      resolve(stopMs);
    });
    process.once('disconnect', () => {
      resolve(stopMs);
      setTimeout(() => process.exit(1), stopMs + lingerMs).unref();
    });
    process.on('message', (message: ToWorker) => {
      if (message.type === 'stop') resolve(message.timeoutMs);
    });
  });
  const config = await new Promise<WorkerConfig | undefined>((resolve) => {
    process.on('message', (message: ToWorker) => {
      if (message.type === 'start') resolve(message.config);
    });
    void stop.then(() => {
      resolve(undefined);
    });
    tell({ type: 'listening' });
  });
  if (config !== undefined) await work(config, tell, stop);
  if (process.connected) process.disconnect();
}

async function work(
  config: WorkerConfig,
  tell: (message: FromWorker) => void,
  stop: Promise<number>,
): Promise<void> {
  let runtime: KafkaRuntime;
  try {
    runtime = await startRuntime(config, tell);
  } catch (error) {
    tell({ type: 'failed', error: plainError(error) });
    process.exitCode = 1;
    return;
  }
  const status = (): void => {
    const tasks = runtime.status().map(({ error, ...task }) => ({
      ...task,
      ...(error === undefined ? {} : { error: plainError(error) }),
    }));
    tell({ type: 'status', isReady: runtime.isReady, stalledMs: runtime.stalledMs, tasks });
  };
  const telling = setInterval(status, statusEveryMs);
  const timeoutMs = await stop;
  clearInterval(telling);
  const inOrder = await runtime.stop(timeoutMs);
  status();
  tell({ type: 'stopped', inOrder });
}

async function startRuntime(
  { kafka, stateDir, processors, parameters, truncatedInputs }: WorkerConfig,
  tell: (message: FromWorker) => void,
): Promise<KafkaRuntime> {
  const connection = await connectionFromSettings(kafka);
  if (connection === undefined) throw new CliError('usage', 'no Kafka broker is named');
  return KafkaRuntime.start({
    app: appWith(processors),
    connection,
    writers: new WriterSchemas(),
    stateDir,
    parameters,
    truncatedInputs,
    onTaskError: (task, error) => {
      tell({ type: 'task-failed', task, error: plainError(error) });
    },
    onTrouble: (task, error) => {
      tell({ type: 'trouble', task, error: plainError(error) });
    },
  });
}
