/**
 * Finds out why clients of node-rdkafka do not connect.
 *
 * node-rdkafka answers a wrong password as it answers a broker that is down: by "broker transport failure", when the time is
 * over. Its error events come without code or reason, and only while somebody polls. librdkafka's log says it at once and
 * in words; `librdkafkaConfig` sets its level.
 *
 * I1  What brokers refuse is known a moment after they did. One broker of several that refuses does not count while another
 *     takes the client.
 */
import { kafkaFailure } from './connection-failure.ts';

/** Of node-rdkafka's producer or consumer. */
export interface LoggingClient {
  on(event: 'event.log', listener: (log: unknown) => void): unknown;
  removeListener(event: 'event.log', listener: (log: unknown) => void): unknown;
}

/** How long other brokers have to take a client that one refused. */
const graceMs = 1_000;
/** librdkafka's own numbers, which its log leaves out. */
const codes = { authentication: -169, tls: -181, transport: -195 } as const;

/** A line of librdkafka's log as an error: `[thrd:...]: sasl_ssl://...: SASL authentication error: ...`. */
function errorOf(log: unknown): Error {
  const { message } = log as { readonly message?: unknown };
  const text = typeof message === 'string' ? message.replace(/^\[thrd:[^\]]*\]: /, '') : String(message);
  const code = /: SASL /.test(text)
    ? codes.authentication
    : /SSL (handshake|routines)/.test(text)
      ? codes.tls
      : codes.transport;
  return Object.assign(new Error(text), { code });
}

/**
 * Resolves with `connecting`; rejects when it does, or before when the brokers refuse the client. It is trying still then, and
 * must not be disconnected before `connecting` has ended: node-rdkafka does it then itself.
 *
 * @param client with the settings of `librdkafkaConfig`, and no other `log_level`
 * @param what for the beginning of messages
 * @param connecting what `client.connect` began this very moment, as a promise
 * @throws EngineError `kafka-refused` or `kafka-unreachable`
 */
export function explainConnecting(
  client: LoggingClient,
  what: string,
  connecting: Promise<unknown>,
): Promise<void> {
  let why: Error | undefined;
  let grace: NodeJS.Timeout | undefined;
  let onLog: (log: unknown) => void = () => undefined;
  return new Promise<void>((resolve, reject) => {
    onLog = (log) => {
      const error = errorOf(log);
      const isRefusal = kafkaFailure(what, error).code === 'kafka-refused';
      if (!isRefusal && grace !== undefined) return;
      why = error;
      if (isRefusal)
        grace ??= setTimeout(() => {
          reject(kafkaFailure(what, why));
        }, graceMs);
    };
    client.on('event.log', onLog);
    connecting.then(
      () => {
        resolve();
      },
      (error: unknown) => {
        reject(kafkaFailure(what, why ?? error));
      },
    );
  }).finally(() => {
    clearTimeout(grace);
    client.removeListener('event.log', onLog);
  });
}
