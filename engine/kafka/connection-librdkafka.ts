/**
 * Connects clients of node-rdkafka, and finds out why they do not.
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
export interface ConnectingClient {
  connect(options: { allTopics: boolean; timeout: number }, done: (error: unknown) => void): unknown;
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
 * Resolves when the client is connected. When it rejects, the client may still be trying: disconnect it.
 *
 * @param client with the settings of `librdkafkaConfig`, and no other `log_level`
 * @param what for the beginning of messages
 * @throws EngineError `kafka-refused` soon after, `kafka-unreachable` after `timeoutMs`
 */
export function connectLibrdkafka(client: ConnectingClient, what: string, timeoutMs: number): Promise<void> {
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
    client.connect({ allTopics: false, timeout: timeoutMs }, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(kafkaFailure(what, why ?? error));
    });
  }).finally(() => {
    clearTimeout(grace);
    client.removeListener('event.log', onLog);
  });
}
