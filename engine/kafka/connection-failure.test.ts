/** Which failures are final. The messages are those that the clients really give: tests/integration/kafka-connection. */
import { describe, expect, it } from 'vitest';
import { kafkaFailure } from './connection-failure.ts';

interface Case {
  readonly is: string;
  readonly error: { readonly message: string; readonly [property: string]: unknown };
  readonly code: 'kafka-refused' | 'kafka-unreachable';
  /** In the message. */
  readonly says?: string;
}

const auth = 'KafkaJSSASLAuthenticationError';
const cases: readonly Case[] = [
  {
    is: 'a wrong password, by kafkajs',
    error: { name: auth, message: 'SASL SCRAM SHA512 authentication failed: invalid credentials' },
    code: 'kafka-refused',
    says: 'WEIR_KAFKA_SASL_PASSWORD_FILE',
  },
  ...['Closed connection', 'Connection error: read ECONNRESET', 'Request SaslAuthenticate timed out'].map(
    (reason): Case => ({
      is: `a connection lost while kafkajs signs in (${reason})`,
      error: { name: auth, message: `SASL SCRAM SHA512 authentication failed: ${reason}` },
      code: 'kafka-unreachable',
    }),
  ),
  {
    is: 'a mechanism that the listener lacks, by kafkajs',
    error: { name: auth, message: 'SASL SCRAM-SHA-512 mechanism is not supported by the server' },
    code: 'kafka-refused',
    says: 'WEIR_KAFKA_SASL_MECHANISM',
  },
  {
    is: 'a wrong password, by librdkafka',
    error: { message: 'localhost:1/bootstrap: SASL authentication error: invalid credentials', code: -169 },
    code: 'kafka-refused',
    says: 'WEIR_KAFKA_SASL_USERNAME',
  },
  {
    is: 'a connection lost while librdkafka signs in',
    error: { message: 'SASL PLAIN mechanism handshake failed: Local: Broker transport failure', code: -169 },
    code: 'kafka-unreachable',
  },
  {
    is: 'an untrusted certificate, by Node',
    error: { message: 'Connection error: self-signed certificate', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    code: 'kafka-refused',
    says: 'WEIR_KAFKA_TLS_CA_FILE',
  },
  {
    is: "another host's certificate, by Node",
    error: {
      message: "Hostname/IP does not match certificate's altnames",
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    code: 'kafka-refused',
    says: 'for another host',
  },
  {
    is: 'a missing permission',
    error: { message: 'Not authorized to access topics', type: 'TOPIC_AUTHORIZATION_FAILED' },
    code: 'kafka-refused',
    says: 'kafka-acls',
  },
  {
    is: 'a broker that is down',
    error: { message: 'Connection error: connect ECONNREFUSED', code: 'ECONNREFUSED' },
    code: 'kafka-unreachable',
  },
  { is: 'an error of its own', error: { message: 'odd', code: 7 }, code: 'kafka-unreachable' },
];

describe('the failure of a client', () => {
  it.each(cases)('$is is $code', ({ error, code, says = '' }) => {
    const cause = Object.assign(new Error(error.message), error);
    const retried = Object.assign(new Error('gave up after 3 tries', { cause }), { retriable: false });
    for (const given of [cause, retried]) {
      const failure = kafkaFailure('reading', given);
      expect(failure).toMatchObject({ code, retryable: code === 'kafka-unreachable', cause: given });
      expect(failure.message).toMatch(/^reading: /);
      expect(failure.message).toContain(says);
    }
  });

  it('has a hint where a broker ends the connection without a word', () => {
    const said =
      'ssl://127.0.0.1:9/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state SSL_HANDSHAKE)';
    for (const text of [said, 'Closed connection', 'Local: Broker transport failure'])
      expect(kafkaFailure('reading', new Error(text)).message, text).toContain('WEIR_KAFKA_TLS');
  });

  it('is explained also when it is no error, or its causes run in a circle', () => {
    expect(kafkaFailure('reading', 'nothing').message).toBe('reading: nothing');
    const circle = new Error('round');
    circle.cause = circle;
    expect(kafkaFailure('reading', circle).code).toBe('kafka-unreachable');
  });
});
