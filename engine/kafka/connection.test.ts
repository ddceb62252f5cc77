/** What the two clients get of a connection, and that nothing prints its secrets. With brokers: tests/integration. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../engine-error.ts';
import { Secret } from './connection-secret.ts';
import { type KafkaConnection, kafkajsConfig, librdkafkaConfig } from './connection.ts';

const password = 'not-to-be-seen';
const signedIn: KafkaConnection = {
  brokers: ['one:9093', 'two:9093'],
  clientId: 'weir-1',
  tls: {},
  sasl: { mechanism: 'scram-sha-512', username: 'weir', password: new Secret(password) },
};

/** What the usual ways of printing make of a value. */
function printed(value: unknown): string {
  const error = Object.assign(new Error('failed', { cause: value }), { connection: value });
  return [
    inspect(value, { depth: null, showHidden: false }),
    JSON.stringify(value),
    String(value),
    inspect(error, { depth: null }),
    inspect(new EngineError('kafka-refused', 'no', { cause: value }), { depth: null }),
    JSON.stringify({ value, list: [value] }),
  ].join('\n');
}

describe('a secret', () => {
  it('is given to who asks for it, and shown to nobody', () => {
    const secret = new Secret(password);
    expect(secret.reveal()).toBe(password);
    expect(`${secret.toString()} ${printed(secret)}`).not.toContain(password);
    expect(printed(secret)).toContain('<secret>');
  });

  it('is not shown by a connection that has it, nor by the settings of either client', () => {
    for (const holder of [signedIn, kafkajsConfig(signedIn), librdkafkaConfig(signedIn)])
      expect(printed(holder)).not.toContain(password);
  });
});

describe('settings for kafkajs', () => {
  it('are brokers and name alone where neither TLS nor SASL is wanted', () => {
    expect(kafkajsConfig({ brokers: ['one:9092'] })).toEqual({
      brokers: ['one:9092'],
      clientId: 'weir',
      logLevel: 0,
    });
  });

  it('have the password where kafkajs looks for it', () => {
    const { sasl } = kafkajsConfig(signedIn);
    expect((sasl as unknown as { password: string }).password).toBe(password);
    expect(sasl).toMatchObject({ mechanism: 'scram-sha-512', username: 'weir' });
  });

  it('check the name of the server unless that is switched off', () => {
    expect(kafkajsConfig(signedIn).ssl).not.toHaveProperty('checkServerIdentity');
    expect(kafkajsConfig({ brokers: [], tls: { checkServerName: false } }).ssl).toHaveProperty(
      'checkServerIdentity',
    );
  });
});

describe('settings for librdkafka', () => {
  const cases: [string, Partial<KafkaConnection>, string][] = [
    ['neither', {}, 'plaintext'],
    ['TLS', { tls: {} }, 'ssl'],
    ['SASL', { sasl: signedIn.sasl! }, 'sasl_plaintext'],
    ['both', { tls: {}, sasl: signedIn.sasl! }, 'sasl_ssl'],
  ];
  it.each(cases)('speak the protocol of a listener with %s', (_, parts, protocol) => {
    expect({ ...librdkafkaConfig({ brokers: ['one:9092'], ...parts }) }).toMatchObject({
      'bootstrap.servers': 'one:9092',
      'security.protocol': protocol,
    });
  });

  it('keep everything in a copy, which is what node-rdkafka takes', () => {
    expect({ ...librdkafkaConfig(signedIn) }).toMatchObject({
      'bootstrap.servers': 'one:9093,two:9093',
      'client.id': 'weir-1',
      'sasl.mechanism': 'SCRAM-SHA-512',
      'sasl.username': 'weir',
      'sasl.password': password,
      'ssl.endpoint.identification.algorithm': 'https',
    });
  });

  it('trust the authorities that Node trusts when none is named', () => {
    const pem = librdkafkaConfig(signedIn)['ssl.ca.pem'] as string;
    expect(pem.match(/BEGIN CERTIFICATE/g)!.length).toBeGreaterThan(50);
  });
});
