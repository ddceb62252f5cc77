/**
 * The process that has a local stack: it starts the servers, keeps them running, and ends them. `weir local start` starts it
 * apart from itself; see protocol.ts.
 *
 * I1  The servers end with it, however it ends; in order on SIGTERM, and when its state file has gone (somebody removed the
 *     data directory).
 * I2  A start that was not accepted is undone. One that does not come to its end then takes the whole process group along.
 * I3  A disk that becomes full does not end it: what it cannot write down, it does without.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { systemClock } from '#engine/log/clock.ts';
import { LocalError, type LocalErrorCode } from '#local/local-error.ts';
import { identityOf, isSame, type ProcessIdentity } from '#local/process-identity.ts';
import { requireRoom } from '#local/stack/room.ts';
import type { StackState } from '#local/stack/stack-state.ts';
import { readState, removeState, stackLogPath, takeDirectory, writeState } from '#local/stack/state-file.ts';
import { EmbeddedServerError } from '#sinks/clickhouse/server/embedded-server-error.ts';
import { CliError } from '../cli-error.ts';
import { removeEndpoint, writeEndpoint } from '../endpoint.ts';
import { exitCodeOf, messageOf, remediesOf } from '../present/error.ts';
import { accepted, type FromSupervisor } from './protocol.ts';
import type { LocalStackConfig } from './stack-config.ts';
import { startServers, type StackServers } from './stack-servers.ts';

const watchMs = 2_000;
/** To undo a start: brokers are killed, ClickHouse has 5 s to close its data. */
const undoMs = 10_000;

const remedies: Partial<Record<LocalErrorCode, string>> = {
  'port-in-use': 'give Kafka another port: --kafka-port <number> (0 takes a free one)',
  'data-dir-mismatch': 'give another directory: --data <directory>',
  'disk-full': 'give another directory: --data <directory>',
};

/** Not the options that `weir demo` has for the same errors. */
function remediesHere(error: unknown): readonly string[] {
  if (error instanceof LocalError) return [remedies[error.code] ?? []].flat();
  if (error instanceof EmbeddedServerError && error.code === 'port-in-use')
    return ['give ClickHouse another port: --clickhouse-port <number> (0 takes a free one)'];
  return remediesOf(error);
}

function tell(message: FromSupervisor): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => { resolve(); }); // prettier-ignore
  });
}

/** Resolves when the command has accepted the stack. */
function acceptance(): Promise<void> {
  return new Promise((resolve) => {
    process.once('message', (raw) => {
      if (raw === accepted) resolve();
    });
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

class Supervisor {
  readonly #config: LocalStackConfig;
  readonly #self: ProcessIdentity;
  readonly #ending = new AbortController();
  #phase: StackState['phase'] = 'starting';
  #servers: StackServers | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(config: LocalStackConfig, self: ProcessIdentity) {
    this.#config = config;
    this.#self = self;
  }

  /** End in order. Safe to call more than once. */
  end(reason: string): void {
    if (this.#ending.signal.aborted) return;
    this.note(`ending: ${reason}`);
    this.#ending.abort(new CliError('interrupted', `${reason}; nothing is left running`));
  }

  note(line: string): void {
    const text = `${new Date().toISOString()} ${line}\n`;
    // I3.
    this.#writing = this.#writing
      .then(() => appendFile(stackLogPath(this.#config.dataDir), text))
      .catch(() => undefined);
  }

  /** Start, wait for the acceptance, and run until the end. Rejects when it could not be started. */
  async run(isAccepted: Promise<void>): Promise<void> {
    const { dataDir } = this.#config;
    await mkdir(dataDir, { recursive: true });
    await requireRoom(dataDir);
    await takeDirectory(dataDir, this.#self);
    const { signal } = this.#ending;
    try {
      await this.#start(signal);
      await tell({ type: 'ready' });
      await Promise.race([isAccepted, aborted(signal)]);
      this.note('running');
      await this.#untilEnd(signal);
    } finally {
      this.#phase = 'stopping';
      this.#publish();
      await this.#servers?.stop();
      await removeEndpoint(dataDir);
      await this.#writing;
      await removeState(dataDir, this.#state());
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { dataDir } = this.#config;
    this.#servers = await startServers(this.#config, {
      onStep: (step) => {
        this.note(step);
        void tell({ type: 'step', step });
      },
      onNote: (note) => {
        this.note(note);
      },
      onChange: () => {
        this.#publish();
      },
      signal,
    });
    this.#phase = 'running';
    await writeState(dataDir, this.#state());
    const { clickhouse } = this.#servers.state();
    if (clickhouse !== undefined) await writeEndpoint(dataDir, { url: clickhouse.url, pid: process.pid });
  }

  /** Runs until `end`, or until the state file is another's or gone. */
  async #untilEnd(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await systemClock.sleep(watchMs, signal);
      const found = await readState(this.#config.dataDir);
      if (found === undefined || !isSame(found.supervisor, this.#self)) this.end('its state file has gone');
    }
  }

  #state(): StackState {
    return { phase: this.#phase, supervisor: this.#self, ...this.#servers?.state() };
  }

  #publish(): void {
    if (this.#phase === 'starting') return;
    this.#writing = this.#writing
      .then(() => writeState(this.#config.dataDir, this.#state()))
      .catch((error: unknown) => {
        this.note(`the state could not be written: ${messageOf(error)}`);
      });
  }
}

/** Be the supervisor of a stack. Ends the process. */
export async function supervise(config: LocalStackConfig): Promise<never> {
  const self = identityOf(process.pid);
  if (process.send === undefined || self === undefined)
    throw new CliError('usage', 'weir local supervise is what weir local start runs', {
      remedies: ['weir local start'],
    });
  const supervisor = new Supervisor(config, self);
  let isRunning = false;
  const isAccepted = acceptance().then(() => {
    isRunning = true;
  });
  const onDisconnect = (): void => {
    if (isRunning) return;
    supervisor.end('interrupted');
    // I2. Brokers have a process group of their own, and end with this process.
    setTimeout(() => process.kill(-process.pid, 'SIGKILL'), undoMs).unref();
  };
  process.on('disconnect', onDisconnect);
  // The command may have gone while this process was loading.
  if (!process.connected) onDisconnect();
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.on(name, () => {
      supervisor.end(name);
    });
  process.on('SIGHUP', () => undefined);
  try {
    await supervisor.run(isAccepted);
  } catch (error) {
    supervisor.note(`not started: ${messageOf(error)}`);
    await tell({
      type: 'failed',
      exitCode: exitCodeOf(error),
      message: messageOf(error),
      remedies: remediesHere(error),
    });
    process.exit(exitCodeOf(error));
  }
  process.exit(0);
}
