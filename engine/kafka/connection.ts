/**
 * How to reach a Kafka cluster, said once for both clients: kafkajs, which reads, and librdkafka, which writes.
 *
 * I1  Both clients get the same brokers, the same trust and the same name: where one connects, the other does.
 * I2  Secrets are `Secret`s. What the functions here return is for a client at once; printed or written as JSON it shows no
 *     secret either, though a copy of librdkafka's settings (`{ ...settings }`) would.
 * I3  With TLS, the broker's certificate is always checked against `ca`, or against the authorities that Node trusts.
 */
import { createSecureContext, rootCertificates, type ConnectionOptions } from 'node:tls';
import { inspect } from 'node:util';
import { type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import type { Secret } from './connection-secret.ts';

export const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type SaslMechanism = (typeof saslMechanisms)[number];

export interface KafkaSasl {
  readonly mechanism: SaslMechanism;
  readonly username: string;
  readonly password: Secret;
}

/** An empty object is TLS with a certificate that a public authority signed. */
export interface KafkaTls {
  /** Authorities that brokers' certificates are checked against, in PEM form; those that Node trusts by default. */
  readonly ca?: string;
  /** Of this client, in PEM form, where brokers ask for one; with `key`. */
  readonly cert?: string;
  /** Private key of `cert`, in PEM form, not encrypted. */
  readonly key?: Secret;
  /** Whether the certificate must name the host that was connected to; true by default. */
  readonly checkServerName?: boolean;
}

export interface KafkaConnection {
  /** `host:port` of some of the brokers, at least one. */
  readonly brokers: readonly string[];
  /** What brokers call this client in their logs and quotas; `weir` by default. */
  readonly clientId?: string;
  /** Without it connections are not encrypted. */
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
}

const defaultClientId = 'weir';

/** Not enumerable: the client reads it, nothing prints it. */
const hidden = (value: string): PropertyDescriptor => ({ value, enumerable: false });

function kafkajsSasl({ mechanism, username, password }: KafkaSasl): SASLOptions {
  return Object.defineProperty({ mechanism, username }, 'password', hidden(password.reveal())) as SASLOptions;
}

/** The key goes into a context of OpenSSL's, from where it cannot be read again. */
function kafkajsTls({ ca, cert, key, checkServerName = true }: KafkaTls): ConnectionOptions {
  const secureContext = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: key.reveal() }),
  });
  return { secureContext, ...(checkServerName ? {} : { checkServerIdentity: () => undefined }) };
}

/**
 * Settings for kafkajs, without its log: what fails is thrown.
 *
 * @throws Error of OpenSSL's when a certificate or key of `tls` is none; `connectionFromSettings` and
 * `createClient` refuse them by name
 */
export function kafkajsConfig(connection: KafkaConnection): KafkaConfig {
  const { brokers, clientId = defaultClientId, tls, sasl } = connection;
  return {
    brokers: [...brokers],
    clientId,
    logLevel: logLevel.NOTHING,
    ...(tls === undefined ? {} : { ssl: kafkajsTls(tls) }),
    ...(sasl === undefined ? {} : { sasl: kafkajsSasl(sasl) }),
  };
}

export type LibrdkafkaSettings = Record<string, string | number | boolean>;

function librdkafkaTls({ ca, cert, key, checkServerName = true }: KafkaTls): LibrdkafkaSettings {
  return {
    'ssl.ca.pem': ca ?? rootCertificates.join('\n'),
    'ssl.endpoint.identification.algorithm': checkServerName ? 'https' : 'none',
    ...(cert === undefined ? {} : { 'ssl.certificate.pem': cert }),
    ...(key === undefined ? {} : { 'ssl.key.pem': key.reveal() }),
  };
}

function librdkafkaSasl({ mechanism, username, password }: KafkaSasl): LibrdkafkaSettings {
  return {
    'sasl.mechanism': mechanism.toUpperCase(),
    'sasl.username': username,
    'sasl.password': password.reveal(),
  };
}

/** Settings for librdkafka. See https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md */
export function librdkafkaConfig(connection: KafkaConnection): LibrdkafkaSettings {
  const { brokers, clientId = defaultClientId, tls, sasl } = connection;
  const protocol = `${sasl === undefined ? '' : 'sasl_'}${tls === undefined ? 'plaintext' : 'ssl'}`;
  const settings: LibrdkafkaSettings = {
    'bootstrap.servers': brokers.join(','),
    'client.id': clientId,
    'security.protocol': protocol,
    // Errors, which node-rdkafka emits as `event.log`: the only place where it says why it does not connect.
    log_level: 3,
    ...(tls === undefined ? {} : librdkafkaTls(tls)),
    ...(sasl === undefined ? {} : librdkafkaSasl(sasl)),
  };
  const redacted = (): object => ({
    'bootstrap.servers': settings['bootstrap.servers'],
    others: 'not shown',
  });
  Object.defineProperty(settings, 'toJSON', { value: redacted, enumerable: false });
  Object.defineProperty(settings, inspect.custom, { value: redacted, enumerable: false });
  return settings;
}
