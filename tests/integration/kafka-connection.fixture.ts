/** A real Kafka with listeners that want TLS, SASL or both, and certificates made for one run. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, type TestContext } from 'vitest';
import { resolveKafka } from '#local/kafka/artifacts.ts';
import { freePorts } from '#local/kafka/free-port.ts';
import { findJava } from '#local/kafka/java.ts';
import { pinnedVersion } from '#local/kafka/pinned-artifacts.ts';
import { runProgram } from '#local/kafka/run-program.ts';
import { type LocalKafka, startKafka } from '#local/kafka/start-kafka.ts';
import { LocalError } from '#local/local-error.ts';

export const username = 'weir';
export const password = 'correct horse; battery=staple';

/**
 * - `plaintext`: neither TLS nor SASL
 * - `saslTls`: plain, scram-sha-256 or scram-sha-512 over TLS
 * - `saslPlaintext`: plain without TLS
 * - `mutual`: TLS, with a certificate of the client's
 * - `otherHost`: TLS with a certificate for another host
 */
const listeners = ['plaintext', 'saslTls', 'saslPlaintext', 'mutual', 'otherHost'] as const;
export type Listener = (typeof listeners)[number];
const protocols: Readonly<Record<Listener, string>> = {
  plaintext: 'PLAINTEXT',
  saslTls: 'SASL_SSL',
  saslPlaintext: 'SASL_PLAINTEXT',
  mutual: 'SSL',
  otherHost: 'SSL',
};

export interface SecuredKafka {
  readonly kafka: LocalKafka;
  /** `host:port` of each listener. */
  readonly address: Readonly<Record<Listener, string>>;
  /** PEM files: `ca.pem`, `stranger-ca.pem`, `client.pem`, `client-key.pem`. */
  readonly directory: string;
}

/** Much longer than anything takes: a machine that is slow fails no test. */
const programMs = 120_000;
const startTimeoutMs = 180_000;

async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { exitCode, output, missing } = await runProgram(program, args, { cwd, timeoutMs: programMs });
  if (missing) throw new Error(`the tests of TLS need the program "${program}": install it`);
  if (exitCode !== 0) throw new Error(`${program} ${args[0] ?? ''} failed:\n${output}`);
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority: `<name>.pem` and its key. */
const authority = (directory: string, name: string): Promise<void> =>
  run(
    'openssl',
    ['req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}-key.pem`].concat(
      '-out',
      `${name}.pem`,
    ),
    directory,
  );

/** A certificate that `ca.pem` signed: `<name>.pem`, `<name>-key.pem`, and both in `<name>-store.pem`. */
async function certificate(directory: string, name: string, serial: number, hosts: string): Promise<void> {
  const at = (end: string): string => join(directory, `${name}${end}`);
  const request = [
    'req',
    '-new',
    ...newKey,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    at('-key.pem'),
    '-out',
    at('.csr'),
  ];
  await run('openssl', request, directory);
  await writeFile(at('.ext'), `subjectAltName=${hosts}\nbasicConstraints=critical,CA:false\n`);
  const signature = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-set_serial', String(serial), '-days', '2'];
  const files = ['-in', at('.csr'), '-extfile', at('.ext'), '-out', at('.pem')];
  await run('openssl', ['x509', '-req', ...signature, ...files], directory);
  const [key, pem] = await Promise.all([readFile(at('-key.pem')), readFile(at('.pem'))]);
  await writeFile(at('-store.pem'), Buffer.concat([key, pem]));
}

const loginOf = (module: string): string => `org.apache.kafka.common.security.${module}`;

/** Broker properties of the listeners at `ports`; the last port is the controller's. */
function propertiesFor(directory: string, ports: readonly number[]): Record<string, string> {
  const host = '127.0.0.1';
  const controller = `${host}:${ports[listeners.length]!}`;
  const all = listeners.map((name, i) => `${name.toUpperCase()}://${host}:${ports[i]!}`);
  // Bootstrapped by address and then called by name: both must be in the certificate.
  const advertised = all.map((one) => one.replace(host, 'localhost')).join(',');
  const map = listeners.map((name) => `${name.toUpperCase()}:${protocols[name]}`);
  const plain = `${loginOf('plain.PlainLoginModule')} required user_${username}="${password}";`;
  const scram = `${loginOf('scram.ScramLoginModule')} required;`;
  return {
    listeners: [...all, `CONTROLLER://${controller}`].join(','),
    'advertised.listeners': advertised,
    'listener.security.protocol.map': [...map, 'CONTROLLER:PLAINTEXT'].join(','),
    'controller.quorum.voters': `1@${controller}`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(directory, 'server-store.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(directory, 'ca.pem'),
    'listener.name.otherhost.ssl.keystore.type': 'PEM',
    'listener.name.otherhost.ssl.keystore.location': join(directory, 'elsewhere-store.pem'),
    'listener.name.mutual.ssl.client.auth': 'required',
    'listener.name.sasltls.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasltls.plain.sasl.jaas.config': plain,
    'listener.name.sasltls.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasltls.scram-sha-512.sasl.jaas.config': scram,
    'listener.name.saslplaintext.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.saslplaintext.plain.sasl.jaas.config': plain,
    'inter.broker.listener.name': 'PLAINTEXT',
  };
}

/** kafkajs has no request for this: Kafka's own program sets SCRAM credentials, one mechanism at a time. */
async function addScramUser(bootstrap: string, mechanism: string, directory: string): Promise<void> {
  const program = ['-cp', join(await resolveKafka(pinnedVersion), '*'), 'kafka.admin.ConfigCommand'];
  const change = ['--alter', '--add-config', `${mechanism}=[password=${password}]`];
  const of = ['--bootstrap-server', bootstrap, '--entity-type', 'users', '--entity-name', username];
  await run(await findJava(), [...program, ...of, ...change], directory);
}

const maxPortTries = 3;

/** With the ports of the listeners. Another program may take one of them before the broker has it. */
async function startOnFreePorts(
  directory: string,
): Promise<{ readonly kafka: LocalKafka; readonly ports: readonly number[] }> {
  for (let tries = 1; ; tries++) {
    const ports = await freePorts('127.0.0.1', [], listeners.length + 1);
    try {
      const kafka = await startKafka({
        ports: [ports[0]!],
        properties: propertiesFor(directory, ports),
        startTimeoutMs,
      });
      return { kafka, ports };
    } catch (error) {
      const lostPort = error instanceof LocalError && error.code === 'port-in-use';
      if (!lostPort || tries === maxPortTries) throw error;
    }
  }
}

async function startSecured(directory: string): Promise<SecuredKafka> {
  await Promise.all([authority(directory, 'ca'), authority(directory, 'stranger-ca')]);
  await Promise.all([
    certificate(directory, 'server', 1, 'DNS:localhost,IP:127.0.0.1'),
    certificate(directory, 'elsewhere', 2, 'DNS:elsewhere.example'),
    certificate(directory, 'client', 3, 'DNS:client.example'),
  ]);
  await writeFile(join(directory, 'password'), `${password}\n`);
  const { kafka, ports } = await startOnFreePorts(directory);
  try {
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'])
      await addScramUser(`127.0.0.1:${ports[0]!}`, mechanism, directory);
  } catch (error) {
    await kafka.stop();
    throw error;
  }
  const address = Object.fromEntries(listeners.map((name, i) => [name, `127.0.0.1:${ports[i]!}`]));
  return { kafka, address: address as Record<Listener, string>, directory };
}

/** Start it before the tests of the calling file, stop it after them; without Java they are skipped, but not in CI. */
export function securedKafkaForFile(): { of(context: TestContext): SecuredKafka } {
  let secured: SecuredKafka | undefined;
  let directory: string | undefined;
  let missing = 'Kafka was not started';
  beforeAll(async () => {
    try {
      directory = await mkdtemp(join(tmpdir(), 'weir-tls-'));
      secured = await startSecured(directory);
    } catch (error) {
      const nothingToRun =
        error instanceof LocalError && (error.code === 'no-java' || error.code === 'no-maven');
      if (!nothingToRun || process.env['CI'] === 'true') throw error;
      missing = error.message;
    }
  }, 300_000);
  afterAll(async () => {
    await secured?.kafka.stop();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });
  return {
    of(context) {
      if (secured === undefined) context.skip(missing);
      return secured!;
    },
  };
}
