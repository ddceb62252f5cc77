/** One broker of a local cluster: started, watched until it answers, stopped, killed, frozen. */
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { LocalError } from '../local-error.ts';
import { type BrokerRun, type KafkaRuntime, logPath, type RunOptions } from './kafka-runtime.ts';
import { recordBroker } from './directory-owner.ts';
import type { KafkaNode } from './node-config.ts';
import { lastLines } from './run-program.ts';

const pollMs = 100;
const readLogBytes = 65_536;
const shownLogLines = 15;

export interface LocalBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** Name of the container that it runs in; undefined without one. */
  readonly container: string | undefined;
  /** Where its output goes. */
  readonly logPath: string;
  /** Resolves when the process that runs now, or ran last, has ended, with how. */
  ended(): Promise<string>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  /** An orderly end, or after `stopTimeoutMs` one by SIGKILL. */
  stop(): Promise<void>;
  /** Start it again on its port and data, ending it first if it runs. Resolves when it answers. */
  restart(): Promise<void>;
  /** Freeze it (SIGSTOP): connections stay open and nothing answers. */
  pause(): void;
  /** Thaw it (SIGCONT). */
  resume(): void;
}

/** The ids of the brokers that the one at `address` (`host:port`) knows to be alive. Rejects when it does not answer. */
export async function livingBrokers(address: string): Promise<number[]> {
  const client = new Kafka({
    brokers: [address],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    return brokers.map(({ nodeId }) => nodeId);
  } finally {
    await admin.disconnect();
  }
}

/** The end of what the broker wrote: its warnings and errors if it wrote any, for much else comes after them. */
async function logTail(node: KafkaNode): Promise<string> {
  const file = await open(logPath(node), 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - readLogBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const notable = lines.filter((line) => !line.includes(' INFO '));
    return lastLines((notable.some((line) => line !== '') ? notable : lines).join('\n'), shownLogLines);
  } finally {
    await file.close();
  }
}

export class BrokerHandle implements LocalBroker {
  readonly #node: KafkaNode;
  readonly #runtime: KafkaRuntime;
  readonly #options: RunOptions;
  readonly #startTimeoutMs: number;
  readonly #stopTimeoutMs: number;
  #run: BrokerRun | undefined;

  constructor(
    node: KafkaNode,
    runtime: KafkaRuntime,
    options: RunOptions & { readonly startTimeoutMs: number; readonly stopTimeoutMs: number },
  ) {
    this.#node = node;
    this.#runtime = runtime;
    this.#options = options;
    this.#startTimeoutMs = options.startTimeoutMs;
    this.#stopTimeoutMs = options.stopTimeoutMs;
  }

  get id(): number {
    return this.#node.id;
  }
  get host(): string {
    return this.#node.host;
  }
  get port(): number {
    return this.#node.port;
  }
  get logPath(): string {
    return logPath(this.#node);
  }
  get pid(): number {
    if (this.#run === undefined) throw new LocalError('start', `broker ${this.id} was never started`);
    return this.#run.pid;
  }
  get container(): string | undefined {
    return this.#run?.container;
  }

  async ended(): Promise<string> {
    return this.#run === undefined ? 'it was never started' : this.#run.ended;
  }

  /** Start the process, without waiting for its answer. */
  async launch(): Promise<void> {
    this.#run = await this.#runtime.start(this.#node, this.#options);
    await recordBroker(this.#node.directory, this.#run.pid);
  }

  /** Resolves when this broker answers and knows itself and `others` to be alive. */
  async ready(others: readonly number[], signal?: AbortSignal): Promise<void> {
    const giveUpAtMs = performance.now() + this.#startTimeoutMs;
    let reason = 'it did not answer';
    for (;;) {
      signal?.throwIfAborted();
      const run = this.#run;
      if (run === undefined || run.hasEnded()) throw await this.#ended(run);
      try {
        const living = await livingBrokers(`${this.host}:${this.port}`);
        if ([this.id, ...others].every((id) => living.includes(id))) return;
        reason = `of the brokers only ${living.join(', ') || 'none'} are alive`;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      if (performance.now() > giveUpAtMs) {
        const waited = `after ${this.#startTimeoutMs / 1_000} s ${reason}`;
        throw new LocalError(
          'start-timeout',
          `${this.#name()} is not ready: ${waited}; ${this.logPath} ends:\n${await logTail(this.#node)}`,
        );
      }
      await sleep(pollMs);
    }
  }

  async kill(): Promise<void> {
    this.#run?.signal('SIGKILL');
    await this.#run?.ended;
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    run.signal('SIGTERM');
    run.signal('SIGCONT');
    const timer = setTimeout(() => {
      run.signal('SIGKILL');
    }, this.#stopTimeoutMs);
    await run.ended;
    clearTimeout(timer);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.launch();
    await this.ready([]);
  }

  pause(): void {
    this.#run?.signal('SIGSTOP');
  }

  resume(): void {
    this.#run?.signal('SIGCONT');
  }

  #name(): string {
    return `Kafka broker ${this.id} (${this.host}:${this.port})`;
  }

  async #ended(run: BrokerRun | undefined): Promise<LocalError> {
    const how = run === undefined ? 'was not started' : `ended by ${await run.ended}`;
    const tail = await logTail(this.#node);
    const message = `${this.#name()} ${how} before it was ready; ${this.logPath} ends:\n${tail}`;
    // java.net.BindException; for the controller's listener it is wrapped, with the same words.
    if (/Address already in use|failed to bind/.test(tail)) return new LocalError('port-in-use', message);
    if (tail.includes('No space left on device')) return new LocalError('disk-full', message);
    return new LocalError('start', message);
  }
}
