/**
 * The embedded ClickHouse server as the rest of Weir uses it: a URL that answers like a ClickHouse server.
 *
 * I1. A child that dies is started again on the same port and data directory, after a pause that doubles.
 *     Clients see refused connections meanwhile and repeat; what was acknowledged is there afterwards.
 * I2. A child that dies soon after each start is given up after `maxFastFailures` of them: `exited` then
 *     resolves with the error. It never rejects.
 * I3. `stop` is bounded by `stopTimeoutMs`; after it no process of this server is left.
 * I4. The child ends when this process ends, however it ends.
 */
import { systemClock } from '#engine/log/clock.ts';
import { type ChildExit, type ChildRun, startChild } from './child-process.ts';
import { EmbeddedServerError } from './embedded-server-error.ts';
import { completeOptions, type EmbeddedServerConfig, type ServerOptions } from './server-options.ts';

/** What happened to the server, for a log. */
export type ServerEvent =
  | {
      readonly type: 'died';
      readonly pid: number;
      readonly signal: string | null;
      readonly exitCode: number | null;
    }
  | { readonly type: 'restarted'; readonly pid: number; readonly downForMs: number }
  | { readonly type: 'restart-failed'; readonly error: Error };

export interface SupervisionConfig {
  /** How long a start may take; 60 s by default. */
  readonly startTimeoutMs?: number;
  /** Longest time for `stop`; 5 s by default. */
  readonly stopTimeoutMs?: number;
  /** A death sooner than this after the start counts as a fast failure; 2 s by default. */
  readonly minHealthyMs?: number;
  /** Fast failures in a row after which to give up; 5 by default. */
  readonly maxFastFailures?: number;
  readonly onEvent?: (event: ServerEvent) => void;
  /** Lines that the child writes to its standard output and error. */
  readonly onLog?: (line: string) => void;
}

export type ServerExit =
  { readonly reason: 'stopped' } | { readonly reason: 'gave-up'; readonly error: EmbeddedServerError };

export interface EmbeddedServer {
  /** `http://host:port`, without a path. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Version of the ClickHouse engine. */
  readonly engineVersion: string;
  /** Process id of the child that runs now, or ran last. */
  pid(): number;
  /** Resolves when the server has ended for good. Never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Let statements end, close the data directory, end the child. Safe to call twice. */
  stop(): Promise<void>;
}

const firstPauseMs = 50;
const longestPauseMs = 5_000;
/** Of `stopTimeoutMs`, the share that statements get to end by themselves. */
const graceShare = 0.5;

type Settings = Required<SupervisionConfig>;

function withDefaults(config: SupervisionConfig): Settings {
  const nothing = (): void => undefined;
  return {
    startTimeoutMs: config.startTimeoutMs ?? 60_000,
    stopTimeoutMs: config.stopTimeoutMs ?? 5_000,
    minHealthyMs: config.minHealthyMs ?? 2_000,
    maxFastFailures: config.maxFastFailures ?? 5,
    onEvent: config.onEvent ?? nothing,
    onLog: config.onLog ?? nothing,
  };
}

/** Keeps a child running until it is told to stop. */
class Supervisor {
  readonly #options: ServerOptions;
  readonly #settings: Settings;
  readonly #stopping = new AbortController();
  #run: ChildRun;
  #fastFailures = 0;

  constructor(options: ServerOptions, settings: Settings, first: ChildRun) {
    this.#options = { ...options, port: first.port };
    this.#settings = settings;
    this.#run = first;
  }

  get pid(): number {
    return this.#run.pid;
  }

  /** Watch the child and its successors. Resolves when there will be no further one. */
  async supervise(): Promise<ServerExit> {
    for (;;) {
      const exit = await this.#run.exit;
      if (this.#isStopping()) return { reason: 'stopped' };
      const diedAtMs = performance.now();
      const { onEvent, minHealthyMs } = this.#settings;
      onEvent({ type: 'died', pid: this.#run.pid, signal: exit.signal, exitCode: exit.exitCode });
      if (diedAtMs - this.#run.readyAtMs >= minHealthyMs) this.#fastFailures = 0;
      const ended = await this.#restart(exit);
      if (ended !== undefined) return ended;
      onEvent({ type: 'restarted', pid: this.#run.pid, downForMs: performance.now() - diedAtMs });
    }
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Ask the child to end, and see to it. */
  async stop(): Promise<void> {
    const { stopTimeoutMs } = this.#settings;
    this.#stopping.abort();
    const run = this.#run;
    run.send({ type: 'stop', graceMs: Math.round(stopTimeoutMs * graceShare) });
    const timer = setTimeout(() => {
      run.kill();
    }, stopTimeoutMs);
    await run.exit;
    clearTimeout(timer);
  }

  /** Start children until one answers. Returns how it all ended when none will. */
  async #restart(exit: ChildExit): Promise<ServerExit | undefined> {
    let reason =
      exit.lastWords === ''
        ? `it was ended by ${exit.signal ?? `exit code ${String(exit.exitCode)}`}`
        : exit.lastWords;
    for (;;) {
      if (++this.#fastFailures > this.#settings.maxFastFailures)
        return { reason: 'gave-up', error: this.#gaveUp(reason) };
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#fastFailures - 1));
      await systemClock.sleep(pauseMs, this.#stopping.signal);
      if (this.#isStopping()) return { reason: 'stopped' };
      try {
        this.#run = await startChild(this.#options, this.#settings.startTimeoutMs, this.#settings.onLog);
        if (!this.#isStopping()) return undefined;
        await this.stop();
        return { reason: 'stopped' };
      } catch (error) {
        const failure = error instanceof Error ? error : new Error(String(error));
        reason = failure.message;
        this.#settings.onEvent({ type: 'restart-failed', error: failure });
      }
    }
  }

  #gaveUp(reason: string): EmbeddedServerError {
    return new EmbeddedServerError(
      'gave-up',
      `ClickHouse on ${this.#options.dataDir} died ${this.#settings.maxFastFailures + 1} times soon after its start and is not ` +
        `started again. Nothing acknowledged is lost. Last reason: ${reason}`,
    );
  }
}

/**
 * Start an embedded ClickHouse server and wait until it answers.
 * Rejects with an EmbeddedServerError that names the place and what to do, or with the reason of a signal that gives the start up;
 * nothing is left running then.
 */
export async function startEmbeddedServer(
  config: EmbeddedServerConfig & SupervisionConfig,
  signal?: AbortSignal,
): Promise<EmbeddedServer> {
  const options = completeOptions(config);
  const settings = withDefaults(config);
  const first = await startChild(options, settings.startTimeoutMs, settings.onLog, signal);
  const supervisor = new Supervisor(options, settings, first);
  const exited = supervisor.supervise();
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${first.port}`,
    host: options.host,
    port: first.port,
    engineVersion: first.engineVersion,
    pid: () => supervisor.pid,
    exited,
    stop: async (): Promise<void> => {
      await supervisor.stop();
      await exited;
    },
  };
}
