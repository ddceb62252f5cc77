/**
 * Brokers that are started again when they die.
 *
 * I1  Each on its own port and data, after a pause that doubles; one that dies soon after each start is given up.
 * I2  `stop` leaves no broker running, also when one was just being started again.
 */
import { systemClock } from '#engine/log/clock.ts';
import type { LocalBroker } from '#local/kafka/local-broker.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';

export interface KeptKafka {
  /** Why a broker is not started again; undefined while it is. */
  failureOf(id: number): string | undefined;
  stop(): Promise<void>;
}

export interface KeepOptions {
  /** For people: what happened. */
  readonly onNote: (note: string) => void;
  /** A broker has another process, or is given up. */
  readonly onChange: () => void;
}

/** A death sooner than this after a start is a fast failure. */
const minHealthyMs = 30_000;
const maxFastFailures = 5;
const firstPauseMs = 100;
const longestPauseMs = 5_000;
const stopAgainMs = 200;

/** Failures in a row, each soon after a start. */
interface Failures {
  count: number;
}

/** Start a broker again until it answers. Resolves with why it is given up, or with undefined when it is back or to stop. */
async function bringBack(
  broker: LocalBroker,
  how: string,
  failures: Failures,
  signal: AbortSignal,
  { onNote }: KeepOptions,
): Promise<string | undefined> {
  let reason = how;
  for (;;) {
    if (++failures.count > maxFastFailures)
      return `it failed ${maxFastFailures + 1} times in a row: ${reason}`;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures.count - 1));
    await systemClock.sleep(pauseMs, signal);
    if (signal.aborted) return undefined;
    try {
      await broker.restart();
      onNote(`Kafka broker ${broker.id} is back as process ${broker.pid}`);
      return undefined;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      onNote(`Kafka broker ${broker.id} could not be started again: ${reason}`);
    }
  }
}

/** Resolves with why it is given up, or with undefined when it is to stop. */
async function keepBroker(
  broker: LocalBroker,
  signal: AbortSignal,
  options: KeepOptions,
): Promise<string | undefined> {
  const failures: Failures = { count: 0 };
  for (;;) {
    const startedAtMs = performance.now();
    const how = `ended by ${await broker.ended()}`;
    if (signal.aborted) return undefined;
    options.onNote(`Kafka broker ${broker.id} (process ${broker.pid}) ${how}; starting it again`);
    if (performance.now() - startedAtMs >= minHealthyMs) failures.count = 0;
    const givenUp = await bringBack(broker, how, failures, signal, options);
    if (givenUp !== undefined) return givenUp;
    options.onChange();
  }
}

/** Keep the brokers of a cluster running until `stop`. */
export function keepKafka(kafka: LocalKafka, options: KeepOptions): KeptKafka {
  const stopping = new AbortController();
  const failures = new Map<number, string>();
  const keeping = kafka.brokers.map(async (broker) => {
    const failure = await keepBroker(broker, stopping.signal, options);
    if (failure === undefined) return;
    failures.set(broker.id, failure);
    options.onNote(`Kafka broker ${broker.id} is given up: ${failure}`);
    options.onChange();
  });
  return {
    failureOf: (id) => failures.get(id),
    stop: async () => {
      stopping.abort();
      const kept = Promise.all(keeping).then(() => true);
      // A broker that was being started again may have come after a stop.
      for (let isOver = false; !isOver;) {
        await kafka.stop();
        isOver = await Promise.race([kept, systemClock.sleep(stopAgainMs).then(() => false)]);
      }
      await kafka.stop();
    },
  };
}
