/**
 * Metrics and health of a run on Kafka: looks at its status twice a second, asks Kafka and ClickHouse whether they answer,
 * and tells both over HTTP.
 *
 * I1  It only looks: no answer waits for the run or a server, and nothing of the run waits for an answer.
 * I2  What is told of the workers is of now; of the sink as old as its last answer, which comes late when Kafka does.
 */
import { Kafka } from 'kafkajs';
import { EngineError } from '#engine/engine-error.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import type { RunStatus, SinkTableStatus, WorkerStatus } from '../kafka/run-status.ts';
import { expositionContentType, renderExposition, type Family } from './exposition.ts';
import { liveness, readiness, SinkWatch, type Health, type RunPhase } from './health.ts';
import { startOperationsServer, type Answer, type OperationsServer } from './operations-server.ts';
import { Probe, type Ask } from './probe.ts';
import { processFamilies } from './process-metrics.ts';
import { runFamilies, type ExpectedTasks } from './run-metrics.ts';
import { RunTotals } from './run-totals.ts';

/** What is looked at. */
export interface RunView {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** At once, of what is at hand. */
  readonly workers: () => readonly WorkerStatus[];
  /** May take as long as Kafka does not answer. */
  readonly sink: () => Promise<readonly SinkTableStatus[]>;
}

export interface OperationsConfig {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Of weir. */
  readonly version: string;
  /** What the run has in all; for `weir_tasks_expected`. */
  readonly expected: readonly ExpectedTasks[];
  /** undefined until there is a run. */
  readonly run: () => RunView | undefined;
  readonly phase: () => RunPhase;
  /** By name (`kafka`, `clickhouse`): resolves when the server answers. */
  readonly servers: Readonly<Record<string, Ask>>;
  /** Of the server that answers; it goes on. */
  readonly onError: (error: unknown) => void;
}

const observeEveryMs = 500;
/** Each answer takes a request to Kafka for every partition. */
const askSinkEveryMs = 2_000;
/** A question that nobody waits for any longer leaves no connection behind. */
const askTimeoutMs = 3_000;

/**
 * Starts to look and to answer; `close` at the end. Start it before the run, so that a start that takes long can be seen.
 *
 * @throws CliError `environment` when it cannot listen
 */
export async function startOperations(config: OperationsConfig): Promise<OperationsServer> {
  const view = new View(config);
  let server: OperationsServer;
  try {
    server = await startOperationsServer({
      host: config.host,
      port: config.port,
      onError: config.onError,
      answers: new Map<string, () => Answer>([
        ['/metrics', () => view.metrics()],
        ['/healthz', () => healthAnswer(view.liveness())],
        ['/readyz', () => healthAnswer(view.readiness())],
      ]),
    });
  } catch (error) {
    view.stop();
    throw error;
  }
  return {
    url: server.url,
    close: () => {
      view.stop();
      return server.close();
    },
  };
}

/** Asks a cluster for its metadata, by connections of its own: those of the run may be the ones that hang. */
export function askKafka(connection: KafkaConnection): Ask {
  return async (signal) => {
    const settings = kafkajsConfig(connection);
    const admin = new Kafka({
      ...settings,
      connectionTimeout: askTimeoutMs,
      requestTimeout: askTimeoutMs,
      retry: { ...settings.retry, retries: 0 },
    }).admin();
    const end = (): void => void admin.disconnect().catch(() => undefined);
    signal.addEventListener('abort', end, { once: true });
    try {
      await admin.connect();
      await admin.describeCluster();
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  };
}

/** Asks a ClickHouse by its `/ping`, which needs no login and runs no query. @param url `http://host:8123` */
export function askClickHouse(url: string): Ask {
  return async (signal) => {
    const response = await fetch(new URL('/ping', url), { signal, redirect: 'error' });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`it answers ${response.status}`);
  };
}

function healthAnswer(health: Health): Answer {
  return {
    status: health.status === 'ok' ? 200 : 503,
    contentType: 'application/json',
    body: `${JSON.stringify(health)}\n`,
  };
}

class View {
  readonly #config: OperationsConfig;
  readonly #totals = new RunTotals();
  readonly #watch = new SinkWatch();
  readonly #probes: ReadonlyMap<string, Probe>;
  readonly #timer: NodeJS.Timeout;
  #tables: readonly SinkTableStatus[] = [];
  #isAsking = false;
  #askedAtMs = -Infinity;

  constructor(config: OperationsConfig) {
    this.#config = config;
    this.#probes = new Map(Object.entries(config.servers).map(([name, ask]) => [name, new Probe({ ask })]));
    this.#timer = setInterval(() => {
      this.#observe();
    }, observeEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const probe of this.#probes.values()) probe.stop();
  }

  liveness(): Health {
    return liveness(this.#observe(), this.#watch);
  }

  readiness(): Health {
    return readiness(this.#config.phase(), this.#observe(), this.#servers(), this.#watch, performance.now());
  }

  metrics(): Answer {
    const status = this.#observe();
    const { version, expected } = this.#config;
    const body = renderExposition([
      ...processFamilies(version),
      ...this.#healthFamilies(),
      ...(status === undefined ? [] : runFamilies(status, this.#totals, expected, Date.now())),
    ]);
    return { status: 200, contentType: expositionContentType, body };
  }

  #observe(): RunStatus | undefined {
    const run = this.#config.run();
    if (run === undefined) return undefined;
    this.#askSink(run);
    const status = { startedAtMs: run.startedAtMs, workers: run.workers(), sink: this.#tables };
    this.#totals.observe(status);
    return status;
  }

  /** One question at a time, however long it takes. */
  #askSink(run: RunView): void {
    const nowMs = performance.now();
    if (this.#isAsking || nowMs - this.#askedAtMs < askSinkEveryMs) return;
    this.#isAsking = true;
    this.#askedAtMs = nowMs;
    run
      .sink()
      .then(
        (tables) => {
          this.#tables = tables;
          this.#watch.observe(tables, this.#servers(), performance.now());
        },
        (error: unknown) => {
          this.#watch.forget();
          // Kafka does not answer, or not for a partition: what was told stays, but says nothing of now.
          if (!(error instanceof EngineError)) this.#config.onError(error);
        },
      )
      .finally(() => {
        this.#isAsking = false;
      });
  }

  #servers(): ReadonlyMap<string, Probe['state']> {
    return new Map([...this.#probes].map(([name, { state }]) => [name, state]));
  }

  #healthFamilies(): Family[] {
    const one = (name: string, help: string, isSo: boolean): Family => ({
      name,
      help,
      type: 'gauge',
      samples: [{ labels: {}, value: Number(isSo) }],
    });
    const servers = [...this.#servers()].filter(([, { isUp }]) => isUp !== undefined);
    return [
      one('weir_live', 'Whether /healthz says ok.', this.liveness().status === 'ok'),
      one('weir_ready', 'Whether /readyz says ok.', this.readiness().status === 'ok'),
      {
        name: 'weir_server_up',
        help: 'Whether the server answers.',
        type: 'gauge',
        samples: servers.map(([server, { isUp }]) => ({ labels: { server }, value: Number(isUp) })),
      },
      {
        name: 'weir_server_answer_seconds',
        help: 'How long it took to answer, or until it was given up.',
        type: 'gauge',
        samples: servers.map(([server, { tookMs }]) => ({ labels: { server }, value: tookMs / 1_000 })),
      },
    ];
  }
}
