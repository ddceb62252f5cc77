/**
 * How a program says where Kafka is and who it is: the engine's KafkaConnection, with secrets as text too.
 *
 * I1  A secret is wrapped (`Secret`) as soon as it is given, and no message shows it.
 */
import {
  type KafkaConnection,
  type KafkaSasl,
  type KafkaTls,
  type SaslMechanism,
  saslMechanisms,
} from '#engine/kafka/connection.ts';
import { addressProblem } from '#engine/kafka/connection-address.ts';
import { certificateProblems, keyPairProblem } from '#engine/kafka/connection-certificates.ts';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { type Check, type Checks, fields, flag, kindOf, oneOf, secret, text } from './option-checks.ts';

/** TLS; `{}` where a public authority signed the brokers' certificates. */
export interface ClientTls extends Omit<KafkaTls, 'key'> {
  /** Private key of `cert`, in PEM form, not encrypted. */
  readonly key?: string | Secret;
}

/** Who the program is. */
export interface ClientSasl extends Omit<KafkaSasl, 'password'> {
  /** Not empty. It is in no message, and printing the client does not show it. */
  readonly password: string | Secret;
}

/** A KafkaConnection is one. */
export interface ClientConnection extends Omit<KafkaConnection, 'tls' | 'sasl'> {
  /** Without it connections are not encrypted. */
  readonly tls?: ClientTls;
  readonly sasl?: ClientSasl;
}

const isSecret = (value: unknown): value is Secret => value instanceof Secret;
const wrapped = (value: string | Secret): Secret => (isSecret(value) ? value : new Secret(value));
const revealed = (value: string | Secret): string => (isSecret(value) ? value.reveal() : value);

const brokers: Check = (value, name) => {
  if (!Array.isArray(value))
    return [`${name} must be a list such as ['localhost:9092'], not ${kindOf(value)}`];
  if (value.length === 0) return [`${name} is empty: name one as host:port`];
  return value.flatMap((one: unknown) => {
    const problem = typeof one === 'string' ? addressProblem(one) : `${kindOf(one)} is not host:port`;
    return problem === undefined ? [] : [`${name}: ${problem}`];
  });
};

const certificates: Check = (value, name) => {
  if (typeof value !== 'string')
    return [`${name} must be text in PEM form (readFileSync(file, 'utf8')), not ${kindOf(value)}`];
  const hint = value.includes('-----BEGIN') ? '' : ': give the text of the file, not its path';
  return certificateProblems(name, value).map((problem) => problem + hint);
};

const pem = {
  ca: certificates,
  cert: certificates,
  key: secret(isSecret),
  checkServerName: flag,
} satisfies Checks<keyof ClientTls>;

const tls: Check = (value, name) => {
  if (typeof value === 'boolean')
    return [
      `${name} must be an object: {} where a public authority signed, or { ca }; without it there is no TLS`,
    ];
  const problems = fields(pem)(value, name);
  if (problems.length > 0) return problems;
  const { cert, key } = value as ClientTls;
  if (cert === undefined && key === undefined) return [];
  if (cert === undefined || key === undefined) return [`${name}.cert and ${name}.key go together`];
  const problem = keyPairProblem(`${name}.cert and ${name}.key`, cert, revealed(key));
  return problem === undefined ? [] : [problem];
};

/** The options of a connection. */
export const connectionChecks = {
  brokers,
  clientId: text,
  tls,
  sasl: fields(
    {
      mechanism: (value, name) =>
        oneOf(saslMechanisms)(typeof value === 'string' ? value.toLowerCase() : value, name),
      username: text,
      password: secret(isSecret),
    } satisfies Checks<keyof ClientSasl>,
    ['mechanism', 'username', 'password'],
  ),
} satisfies Checks<keyof ClientConnection>;

/** The engine's form of options that were checked. */
export function connectionOf(options: ClientConnection): KafkaConnection {
  const { brokers: addresses, clientId, tls: trust, sasl } = options;
  return {
    brokers: addresses,
    ...(clientId === undefined ? {} : { clientId }),
    ...(trust === undefined ? {} : { tls: tlsOf(trust) }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

function tlsOf({ key, ...trust }: ClientTls): KafkaTls {
  return key === undefined ? trust : { ...trust, key: wrapped(key) };
}

function saslOf({ mechanism, username, password }: ClientSasl): KafkaSasl {
  return { mechanism: mechanism.toLowerCase() as SaslMechanism, username, password: wrapped(password) };
}
