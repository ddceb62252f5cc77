/**
 * What the failure of a Kafka client means: brokers that are not reached are reached later; credentials, certificates
 * and permissions that they refuse are refused again until somebody mends them.
 *
 * I1  `kafka-refused` is what a broker, or the check of its certificate, said. A connection that was lost while it was made
 *     is `kafka-unreachable`, though kafkajs calls it a failed authentication and librdkafka sometimes does too.
 * I2  Messages name the setting to mend and hold no secret.
 */
import { EngineError } from '../engine-error.ts';

/** Both clients' errors: kafkajs has names and types, librdkafka numbers, Node's TLS codes. */
interface ClientError {
  readonly name: string;
  readonly message: string;
  readonly type: unknown;
  readonly code: unknown;
}

type Refusal = 'credentials' | 'mechanism' | 'permission' | 'certificate' | 'server-name' | 'tls';

const remedies: Readonly<Record<Refusal, string>> = {
  credentials:
    'the brokers refuse the user name or password: check WEIR_KAFKA_SASL_USERNAME, WEIR_KAFKA_SASL_PASSWORD_FILE or ' +
    'WEIR_KAFKA_SASL_PASSWORD, and WEIR_KAFKA_SASL_MECHANISM (sasl in the settings)',
  mechanism:
    'the listener wants another way of signing in: set WEIR_KAFKA_SASL_MECHANISM (sasl.mechanism) to one that it offers, ' +
    'or leave all of sasl out for a listener without it',
  permission: 'the brokers know the user but do not permit this: grant it with kafka-acls',
  certificate:
    'a certificate is not trusted, or is for another host: name the authority that signed it with ' +
    'WEIR_KAFKA_TLS_CA_FILE (tls.caFile), or, ' +
    "where the brokers ask for one, this client's own with WEIR_KAFKA_TLS_CERT_FILE and WEIR_KAFKA_TLS_KEY_FILE",
  'server-name':
    "the broker's certificate is for another host: use names in WEIR_KAFKA_BROKERS and advertised.listeners that it has",
  tls: 'the other end does not speak TLS, or not this one: check the port, and WEIR_KAFKA_TLS',
};

/** Of librdkafka (rd_kafka_resp_err_t): what has no type in kafkajs, and what the protocol numbers. */
const byNumber: ReadonlyMap<number, Refusal> = new Map([
  [-169, 'credentials'],
  [-181, 'tls'],
  [29, 'permission'],
  [30, 'permission'],
  [31, 'permission'],
  [33, 'mechanism'],
  [34, 'mechanism'],
  [53, 'permission'],
  [58, 'credentials'],
]);

/** Of kafkajs: names of the protocol's errors. */
const byType: ReadonlyMap<string, Refusal> = new Map([
  ['SASL_AUTHENTICATION_FAILED', 'credentials'],
  ['UNSUPPORTED_SASL_MECHANISM', 'mechanism'],
  ['ILLEGAL_SASL_STATE', 'mechanism'],
  ['TOPIC_AUTHORIZATION_FAILED', 'permission'],
  ['GROUP_AUTHORIZATION_FAILED', 'permission'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'permission'],
  ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'permission'],
]);

/** Words of a connection that ended by itself, in both clients. */
const lost = /closed connection|disconnected|not connected|timed out|timeout|transport failure|ECONN|EPIPE/i;
/** kafkajs begins so what a socket said, in the midst of signing in too. */
const socketError = /authentication failed: connection error/i;
const mechanisms = /mechanism is not supported|mechanism handshake failed/i;
const untrusted =
  /certificate verify failed|alert (bad certificate|unknown ca|certificate)|certificate required/i;

/** An error and what caused it, as far as it goes. */
function* chainOf(error: unknown): Generator<ClientError> {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { type, code } = at as { type?: unknown; code?: unknown };
    yield { name: at.name, message: at.message, type, code };
  }
}

function ofTls({ code, message }: ClientError): Refusal | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'server-name';
  if (typeof code !== 'string') return undefined;
  // Node gives the names of OpenSSL's X509_V_ERR_ codes: https://nodejs.org/api/tls.html#x509-certificate-error-codes
  if (/CERT|ISSUER|LEAF_SIGNATURE|^CRL_|^INVALID_(CA|PURPOSE)$|^PATH_LENGTH/.test(code)) return 'certificate';
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL_')) return undefined;
  return untrusted.test(message) ? 'certificate' : 'tls';
}

function refusalOf(error: ClientError): Refusal | undefined {
  const { name, message, type, code } = error;
  const known =
    (typeof code === 'number' ? byNumber.get(code) : undefined) ??
    (typeof type === 'string' ? byType.get(type) : undefined) ??
    (name === 'KafkaJSSASLAuthenticationError' ? 'credentials' : undefined) ??
    ofTls(error);
  if (known === 'tls') {
    if (untrusted.test(message)) return 'certificate';
    return lost.test(message) ? undefined : 'tls';
  }
  if (known !== 'credentials') return known;
  if (lost.test(message) || socketError.test(message)) return undefined;
  return mechanisms.test(message) ? 'mechanism' : 'credentials';
}

/** Brokers close the connection without a word when it should have been TLS, or when nobody signs in. */
const closed =
  /closed connection|disconnected before secure tls|connecting to a plaintext|transport failure|in state SSL_HANDSHAKE/i;
const hint =
  '; if it stays so, see whether the listener wants TLS and SASL as they are set (WEIR_KAFKA_TLS, ' +
  'WEIR_KAFKA_SASL_MECHANISM)';

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/**
 * The error of kafkajs or librdkafka as ours: `kafka-refused`, or `kafka-unreachable` (retryable).
 *
 * @param what was tried, for the beginning of the message
 */
export function kafkaFailure(what: string, cause: unknown): EngineError {
  const chain = [...chainOf(cause)];
  for (const error of chain) {
    const refusal = refusalOf(error);
    if (refusal !== undefined)
      return new EngineError('kafka-refused', `${what}: ${remedies[refusal]} (${oneLine(error.message)})`, {
        cause,
      });
  }
  const why = oneLine(cause instanceof Error ? cause.message : String(cause));
  const message = `${what}: ${why}${closed.test(why) ? hint : ''}`;
  return new EngineError('kafka-unreachable', message, { cause, retryable: true });
}
