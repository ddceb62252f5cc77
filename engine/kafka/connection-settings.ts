/**
 * A connection from plain settings (the `kafka` part of a configuration file) and the environment, which goes before them.
 *
 *     { "brokers": ["kafka-1:9093", "kafka-2:9093"],
 *       "clientId": "weir",
 *       "tls": { "caFile": "ca.pem", "certFile": "client.pem", "keyFile": "client-key.pem", "checkServerName": true },
 *       "sasl": { "mechanism": "scram-sha-512", "username": "weir", "passwordFile": "/run/secrets/kafka" } }
 *
 * `"tls": true` is TLS with a certificate of a public authority. Files are relative to the working directory.
 *
 * I1  Secrets come from files or the environment; one in the settings is refused.
 * I2  All problems are reported at once, each by the name of its setting, and none with the content of a file or secret.
 * I3  What is returned is usable: files are read, certificates and keys parse and belong together.
 */
import { readFile } from 'node:fs/promises';
import { EngineError } from '../engine-error.ts';
import { type KafkaConnection, type KafkaSasl, type KafkaTls, saslMechanisms } from './connection.ts';
import { addressProblem } from './connection-address.ts';
import { certificateProblems, keyPairProblem } from './connection-certificates.ts';
import { Secret } from './connection-secret.ts';
import { type Environment, Sources } from './connection-sources.ts';

/** One that is empty counts as not set; brokers, without which Weir would go to another Kafka, are refused then. */
const variables = {
  brokers: 'WEIR_KAFKA_BROKERS',
  clientId: 'WEIR_KAFKA_CLIENT_ID',
  mechanism: 'WEIR_KAFKA_SASL_MECHANISM',
  username: 'WEIR_KAFKA_SASL_USERNAME',
  password: 'WEIR_KAFKA_SASL_PASSWORD',
  passwordFile: 'WEIR_KAFKA_SASL_PASSWORD_FILE',
  tls: 'WEIR_KAFKA_TLS',
  ca: 'WEIR_KAFKA_TLS_CA_FILE',
  cert: 'WEIR_KAFKA_TLS_CERT_FILE',
  key: 'WEIR_KAFKA_TLS_KEY_FILE',
  checkServerName: 'WEIR_KAFKA_TLS_CHECK_SERVER_NAME',
} as const;

function brokersFrom(sources: Sources): string[] {
  const found = sources.find(variables.brokers, 'brokers');
  if (found === undefined) {
    if (sources.isEmpty(variables.brokers))
      sources.problems.push(
        `${variables.brokers} is empty: name host:port of one or more brokers, or unset it`,
      );
    return [];
  }
  const list: unknown[] = typeof found.value === 'string' ? found.value.split(',') : [found.value].flat();
  const brokers = list.map((one) => (typeof one === 'string' ? one.trim() : '')).filter((one) => one !== '');
  if (brokers.length < list.length || brokers.length === 0)
    sources.problems.push(`${found.name} must be host:port of one or more brokers, separated by commas`);
  for (const broker of brokers) {
    const problem = addressProblem(broker);
    if (problem !== undefined) sources.problems.push(`${found.name}: ${problem}`);
  }
  return brokers;
}

/** A file's text, or undefined when it is not named or cannot be read. */
async function fileFrom(
  sources: Sources,
  variable: string,
  path: string,
): Promise<{ readonly name: string; readonly text: string } | undefined> {
  const file = sources.text(variable, path);
  if (file === undefined) return undefined;
  try {
    const text = await readFile(file.value, 'utf8');
    if (text.trim() !== '') return { name: `${file.name} (${file.value})`, text };
    sources.problems.push(`${file.name}: ${file.value} is empty`);
  } catch (error) {
    sources.problems.push(`${file.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return undefined;
}

async function passwordFrom(sources: Sources, environment: Environment): Promise<Secret | undefined> {
  if (sources.field('sasl.password') !== undefined)
    sources.problems.push(
      `kafka.sasl.password: a password does not belong into settings; put it into a file and name that in ` +
        `kafka.sasl.passwordFile or ${variables.passwordFile}, or set ${variables.password}`,
    );
  const given = environment[variables.password];
  const isGiven = given !== undefined && given !== '';
  if (isGiven && (environment[variables.passwordFile] ?? '') !== '')
    sources.problems.push(`${variables.password} and ${variables.passwordFile} are both set: leave one out`);
  if (isGiven) return new Secret(given);
  const file = await fileFrom(sources, variables.passwordFile, 'sasl.passwordFile');
  return file && new Secret(file.text.replace(/\r?\n$/, ''));
}

async function saslFrom(sources: Sources, environment: Environment): Promise<KafkaSasl | undefined> {
  const { problems } = sources;
  sources.expect('sasl', ['mechanism', 'username', 'passwordFile', 'password']);
  const before = problems.length;
  const mechanism = sources.text(variables.mechanism, 'sasl.mechanism');
  const username = sources.text(variables.username, 'sasl.username');
  const password = await passwordFrom(sources, environment);
  const known = saslMechanisms.find((one) => one === mechanism?.value.toLowerCase());
  if (mechanism !== undefined && known === undefined)
    problems.push(`${mechanism.name} must be ${saslMechanisms.join(', ')}; it is '${mechanism.value}'`);
  if (known !== undefined && username !== undefined && password !== undefined)
    return { mechanism: known, username: username.value, password };
  if (problems.length > before || (mechanism ?? username ?? password ?? sources.field('sasl')) === undefined)
    return undefined;
  const missing = [
    ...(mechanism === undefined ? [`${variables.mechanism} (kafka.sasl.mechanism)`] : []),
    ...(username === undefined ? [`${variables.username} (kafka.sasl.username)`] : []),
    ...(password === undefined ? [`${variables.passwordFile} (kafka.sasl.passwordFile)`] : []),
  ];
  problems.push(`SASL needs ${missing.join(' and ')} too`);
  return undefined;
}

async function tlsFrom(sources: Sources): Promise<KafkaTls | undefined> {
  const { problems } = sources;
  sources.expect('tls', ['caFile', 'certFile', 'keyFile', 'checkServerName']);
  const wanted = sources.find(variables.tls, 'tls');
  const isObject = typeof wanted?.value === 'object';
  const isOn = isObject ? true : sources.flag(variables.tls, 'tls')?.value;
  const ca = await fileFrom(sources, variables.ca, 'tls.caFile');
  const cert = await fileFrom(sources, variables.cert, 'tls.certFile');
  const key = await fileFrom(sources, variables.key, 'tls.keyFile');
  const checkServerName = sources.flag(variables.checkServerName, 'tls.checkServerName');
  if (isOn !== true) {
    const needless = ca ?? cert ?? key ?? checkServerName;
    if (needless !== undefined && isOn === undefined)
      problems.push(`${needless.name} needs TLS: set ${variables.tls}=true`);
    return undefined;
  }
  if ((cert === undefined) !== (key === undefined))
    problems.push(
      `${variables.cert} (kafka.tls.certFile) and ${variables.key} (kafka.tls.keyFile) go together`,
    );
  if (ca !== undefined) problems.push(...certificateProblems(ca.name, ca.text));
  if (cert !== undefined && key !== undefined) {
    const problem = keyPairProblem(`${cert.name} and ${key.name}`, cert.text, key.text);
    if (problem !== undefined) problems.push(problem);
  }
  return {
    ...(ca === undefined ? {} : { ca: ca.text }),
    ...(cert === undefined ? {} : { cert: cert.text }),
    ...(key === undefined ? {} : { key: new Secret(key.text) }),
    ...(checkServerName === undefined ? {} : { checkServerName: checkServerName.value }),
  };
}

/**
 * The connection that settings and environment name; undefined when they name no brokers and nothing else.
 *
 * @param settings as parsed from a configuration file, see above; undefined without one
 * @throws EngineError `kafka-settings` with every problem
 */
export async function connectionFromSettings(
  settings: unknown,
  environment: Environment = process.env,
): Promise<KafkaConnection | undefined> {
  const sources = new Sources(settings, environment);
  sources.expect('', ['brokers', 'clientId', 'tls', 'sasl']);
  const brokers = brokersFrom(sources);
  const clientId = sources.text(variables.clientId, 'clientId');
  const tls = await tlsFrom(sources);
  const sasl = await saslFrom(sources, environment);
  const { problems } = sources;
  if (brokers.length === 0 && problems.length === 0) {
    if ((tls ?? sasl) === undefined) return undefined;
    problems.push(`TLS or SASL is set up, but no broker is named: set ${variables.brokers} (kafka.brokers)`);
  }
  if (problems.length > 0)
    throw new EngineError(
      'kafka-settings',
      `the Kafka settings cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  return {
    brokers,
    ...(clientId === undefined ? {} : { clientId: clientId.value }),
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}
