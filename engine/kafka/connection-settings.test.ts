/** Connections from settings and environment. Files with certificates: tests/integration/kafka-connection. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { connectionFromSettings } from './connection-settings.ts';

const directory = mkdtempSync(join(tmpdir(), 'weir-settings-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});
const fileWith = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const secretFile = fileWith('password', 'from the file\n');
const emptyFile = fileWith('empty', '\n');

/** The message of the refusal. */
async function refusal(settings: unknown, environment: Record<string, string> = {}): Promise<string> {
  const error = await connectionFromSettings(settings, environment).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'EngineError', code: 'kafka-settings', retryable: false });
  return (error as Error).message;
}

describe('a connection', () => {
  it('is none where nothing is set', async () => {
    expect(await connectionFromSettings(undefined, {})).toBeUndefined();
    expect(await connectionFromSettings({}, { WEIR_KAFKA_CLIENT_ID: '' })).toBeUndefined();
    expect(await connectionFromSettings({ tls: false }, {})).toBeUndefined();
  });

  it('has the brokers of a list or a text', async () => {
    for (const brokers of [['a:1', 'b:65535'], 'a:1, b:65535'])
      expect(await connectionFromSettings({ brokers }, {})).toEqual({ brokers: ['a:1', 'b:65535'] });
  });

  it('takes what the environment says before what the settings say', async () => {
    const settings = {
      brokers: ['settings:1'],
      clientId: 'settings',
      tls: false,
      sasl: { mechanism: 'plain', username: 'settings', passwordFile: emptyFile },
    };
    const connection = await connectionFromSettings(settings, {
      WEIR_KAFKA_BROKERS: 'environment:2',
      WEIR_KAFKA_CLIENT_ID: 'environment',
      WEIR_KAFKA_TLS: 'true',
      WEIR_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
      WEIR_KAFKA_SASL_USERNAME: 'someone',
      WEIR_KAFKA_SASL_PASSWORD_FILE: secretFile,
    });
    expect(connection).toMatchObject({
      brokers: ['environment:2'],
      clientId: 'environment',
      tls: {},
      sasl: { mechanism: 'scram-sha-256', username: 'someone' },
    });
    expect(connection!.sasl!.password.reveal()).toBe('from the file');
  });

  it('has its password from the environment, spaces and all, before the file of the settings', async () => {
    const sasl = { mechanism: 'plain', username: 'weir', passwordFile: secretFile };
    const environment = { WEIR_KAFKA_SASL_PASSWORD: ' a b ' };
    const connection = await connectionFromSettings({ brokers: 'a:1', sasl }, environment);
    expect(connection!.sasl!.password.reveal()).toBe(' a b ');
  });
});

describe('settings are refused by name', () => {
  const sasl = { mechanism: 'plain', username: 'weir', passwordFile: secretFile };
  const cases: [string, unknown, Record<string, string>, RegExp][] = [
    ['no object', 'a:1', {}, /kafka must be an object/],
    ['brokers of another type', { brokers: [9092] }, {}, /kafka\.brokers must be host:port/],
    ['no brokers in the list', { brokers: [] }, {}, /kafka\.brokers must be host:port/],
    ['no broker', {}, { WEIR_KAFKA_BROKERS: '' }, /WEIR_KAFKA_BROKERS is empty: .* or unset it/],
    ['a comma too many', {}, { WEIR_KAFKA_BROKERS: 'a:1,,b:1' }, /WEIR_KAFKA_BROKERS must be host:port/],
    ['a broker without port', {}, { WEIR_KAFKA_BROKERS: 'a' }, /WEIR_KAFKA_BROKERS: 'a' is not host:port/],
    ['a port that is none', { brokers: 'a:65536' }, {}, /'a:65536' is not host:port/],
    ['an IPv6 address', { brokers: '[::1]:9092' }, {}, /IPv6 address needs a host name/],
    ['a URL', { brokers: 'kafka://a:9092' }, {}, /is not host:port/],
    ['a misspelt setting', { brokers: 'a:1', broker: 'b:1' }, {}, /kafka\.broker is no setting/],
    ['a misspelt setting of TLS', { brokers: 'a:1', tls: { ca: 'x' } }, {}, /kafka\.tls\.ca is no setting/],
    ['an unknown mechanism', { brokers: 'a:1', sasl: { ...sasl, mechanism: 'gssapi' } }, {}, /scram-sha-512/],
    [
      'no user',
      { brokers: 'a:1', sasl: { ...sasl, username: null } },
      {},
      /SASL needs WEIR_KAFKA_SASL_USERNAME/,
    ],
    [
      'a user alone',
      { brokers: 'a:1' },
      { WEIR_KAFKA_SASL_USERNAME: 'a' },
      /MECHANISM.* and .*PASSWORD_FILE/,
    ],
    [
      'an empty password file',
      { brokers: 'a:1', sasl: { ...sasl, passwordFile: emptyFile } },
      {},
      /is empty/,
    ],
    [
      'a missing file',
      { brokers: 'a:1', sasl: { ...sasl, passwordFile: '/no/file' } },
      {},
      /passwordFile: ENOENT/,
    ],
    ['TLS that is neither', { brokers: 'a:1', tls: 'yes' }, {}, /kafka\.tls must be true or false/],
    [
      'TLS files without TLS',
      { brokers: 'a:1' },
      { WEIR_KAFKA_TLS_CA_FILE: secretFile },
      /WEIR_KAFKA_TLS=true/,
    ],
    [
      'no certificate',
      { brokers: 'a:1', tls: { caFile: secretFile } },
      {},
      /caFile \(.*holds no certificate/,
    ],
    ['a key alone', { brokers: 'a:1', tls: { keyFile: secretFile } }, {}, /CERT_FILE .* go together/],
    [
      'a key that is none',
      { brokers: 'a:1', tls: { keyFile: secretFile, certFile: secretFile } },
      {},
      /certFile .* and .*keyFile .* cannot be used together/,
    ],
    ['TLS without brokers', { tls: true }, {}, /no broker is named: set WEIR_KAFKA_BROKERS/],
    [
      'two passwords',
      { brokers: 'a:1' },
      { WEIR_KAFKA_SASL_PASSWORD: 'a', WEIR_KAFKA_SASL_PASSWORD_FILE: secretFile },
      /are both set/,
    ],
  ];
  it.each(cases)('%s', async (_, settings, environment, expected) => {
    expect(await refusal(settings, environment)).toMatch(expected);
  });

  it('a password in them, which the message does not repeat', async () => {
    const message = await refusal({ brokers: 'a:1', sasl: { ...sasl, password: 'hunter2' } });
    expect(message).toContain('kafka.sasl.password: a password does not belong into settings');
    expect(message).not.toContain('hunter2');
  });

  it('a password among the brokers, which the message does not repeat', async () => {
    expect(await refusal({ brokers: 'weir:hunter2@a:9092' })).not.toContain('hunter2');
  });

  it('the content of a file that is no certificate is not shown', async () => {
    expect(await refusal({ brokers: 'a:1', tls: { caFile: secretFile } })).not.toContain('from the file');
  });

  it('all problems at once', async () => {
    const message = await refusal({ brokers: 'a', tls: { caFile: '/no/ca' }, sasl: { mechanism: 'none' } });
    for (const part of ["'a' is not host:port", '/no/ca', 'kafka.sasl.mechanism'])
      expect(message).toContain(part);
  });
});
