/** What `createClient` takes, and how it refuses the rest: as plain JavaScript hands it over, without types. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { ClientError } from './client-error.ts';
import { createClient } from './client.ts';
import { type ClientConfig, resolveConfig } from './client-config.ts';

const password = 'not-to-be-seen';
const least = { brokers: ['127.0.0.1:1'], source: '/tests' };
const signedIn = { mechanism: 'scram-sha-512', username: 'weir', password };

/** The refusal of a configuration. */
function refusal(config: unknown): ClientError {
  try {
    createClient(config as ClientConfig);
  } catch (error) {
    if (error instanceof ClientError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a configuration is refused by name', () => {
  const cases: [string, unknown, string][] = [
    ['none', undefined, 'its options must be an object, not undefined'],
    ['text', '127.0.0.1:1', 'its options must be an object, not a text'],
    ['an empty one', {}, 'brokers is missing; source is missing'],
    ['no source', { brokers: ['a:1'] }, 'source is missing'],
    ['a source with a blank', { ...least, source: 'my program' }, 'source must be a URI reference such as'],
    ['a source that is no text', { ...least, source: 5 }, 'source must be a URI reference such as'],
    ['brokers as text', { ...least, brokers: 'a:1' }, "brokers must be a list such as ['localhost:9092']"],
    ['no brokers', { ...least, brokers: [] }, 'brokers is empty: name one as host:port'],
    ['a broker without port', { ...least, brokers: ['a:1', 'b'] }, "brokers: 'b' is not host:port"],
    ['a broker that is no text', { ...least, brokers: [9092] }, 'brokers: a number is not host:port'],
    [
      'a misspelt option',
      { ...least, lingerms: 1 },
      "no option 'lingerms' (did you mean 'lingerMs'?), only brokers, clientId, tls,",
    ],
    [
      'an option of nothing',
      { ...least, acknowledgements: 1 },
      "no option 'acknowledgements', only brokers,",
    ],
    [
      'another compression',
      { ...least, compression: 'zstd' },
      "compression must be none or gzip, not 'zstd'",
    ],
    ['another whenFull', { ...least, whenFull: 'drop' }, "whenFull must be wait or reject, not 'drop'"],
    ['null', { ...least, lingerMs: null }, 'lingerMs must be a number of 0 or more, not null'],
    ['a time as text', { ...least, lingerMs: '5' }, "lingerMs must be a number of 0 or more, not '5'"],
    [
      'a time below',
      { ...least, deliveryTimeoutMs: 0 },
      'deliveryTimeoutMs must be a number of 1 or more, not 0',
    ],
    [
      'no time',
      { ...least, deliveryTimeoutMs: NaN },
      'deliveryTimeoutMs must be a number of 1 or more, not NaN',
    ],
    [
      'a time above',
      { ...least, requestTimeoutMs: 2 ** 30 },
      'requestTimeoutMs must be a number from 1 to 1073741823',
    ],
    [
      'half a byte',
      { ...least, maxBatchBytes: 0.5 },
      'maxBatchBytes must be a whole number from 1 to 2147483647',
    ],
    [
      'no record',
      { ...least, maxBufferedRecords: 0 },
      'maxBufferedRecords must be a whole number of 1 or more, not 0',
    ],
    ['a flag as text', { ...least, flushOnExit: 'yes' }, "flushOnExit must be true or false, not 'yes'"],
    ['no function', { ...least, onTrouble: {} }, 'onTrouble must be a function, not an object'],
    [
      'framing as text',
      { ...least, framing: 'confluent' },
      'framing must be an object with kind, not a text',
    ],
    [
      'another framing',
      { ...least, framing: { kind: 'json' } },
      'framing.kind must be single-object or confluent',
    ],
    ['framing without ids', { ...least, framing: { kind: 'confluent' } }, 'framing.idOf is missing'],
    [
      'a list announced',
      { ...least, announced: ['0'] },
      'announced must be a Set of fingerprints, not a list',
    ],
  ];
  it.each(cases)('%s', (_, config, says) => {
    const error = refusal(config);
    expect(error).toMatchObject({ code: 'invalid-config', retryable: false });
    expect(error.message).toContain('createClient: ');
    expect(error.message).toContain(says);
  });

  it('with all its problems at once', () => {
    const { problems } = refusal({ brokers: ['a'], lingerms: 1, compression: 'lz4' });
    expect(problems).toHaveLength(4);
  });
});

describe('a configuration', () => {
  it('needs brokers and a source alone, and what is undefined is left out', () => {
    const nothing = { lingerMs: undefined, tls: undefined, sasl: undefined } as unknown as ClientConfig;
    expect(resolveConfig({ ...nothing, ...least })).toMatchObject({
      connection: { brokers: least.brokers },
      lingerMs: 5,
    });
  });

  it('is taken with every option in its bounds', () => {
    const full: Required<Omit<ClientConfig, 'tls' | 'sasl'>> = {
      ...least,
      clientId: 'tests',
      maxBufferedBytes: 1,
      maxBufferedRecords: 1,
      whenFull: 'reject',
      lingerMs: 0,
      maxBatchBytes: 1,
      maxRecordBytes: 1,
      compression: 'gzip',
      deliveryTimeoutMs: Number.MAX_SAFE_INTEGER,
      requestTimeoutMs: 1,
      connectTimeoutMs: 1,
      framing: { kind: 'confluent', idOf: () => 1 },
      announced: new Set(['00112233445566aa']),
      flushOnExit: false,
      exitTimeoutMs: 1,
      onTrouble: () => undefined,
    };
    const { brokers, clientId, ...others } = full;
    expect(resolveConfig(full)).toEqual({ ...others, connection: { brokers, clientId } });
  });
});

describe('TLS and SASL', () => {
  const cases: [string, object, string][] = [
    ['TLS as a flag', { tls: true }, 'tls must be an object: {} where a public authority signed'],
    ["kafkajs's name", { ssl: {} }, "no option 'ssl'"],
    [
      'a path',
      { tls: { ca: '/etc/ca.pem' } },
      'tls.ca holds no certificate in PEM form: give the text of the file',
    ],
    [
      'bytes',
      { tls: { ca: Buffer.from('') } },
      "tls.ca must be text in PEM form (readFileSync(file, 'utf8'))",
    ],
    ['a key alone', { tls: { key: password } }, 'tls.cert and tls.key go together'],
    ['a misspelt option', { tls: { caFile: 'x' } }, "no option 'tls.caFile'"],
    ['no user', { sasl: { ...signedIn, username: undefined } }, 'sasl.username is missing'],
    ['no password', { sasl: { ...signedIn, password: '' } }, 'sasl.password must be text that is not empty'],
    ['a function', { sasl: { ...signedIn, password: () => password } }, 'not a function'],
    ['an object', { sasl: { ...signedIn, password: { password } } }, 'not an object'],
    [
      'another mechanism',
      { sasl: { ...signedIn, mechanism: 'gssapi' } },
      'plain, scram-sha-256 or scram-sha-512',
    ],
    ['the password in another place', { password }, "no option 'password'"],
    ['the password as SASL', { sasl: password }, 'sasl must be an object with mechanism, username, password'],
    ['a password among the brokers', { brokers: [`weir:${password}@a:1`] }, "'...@a:1' is not host:port"],
  ];
  it.each(cases)('are refused by name and without a secret: %s', (_, options, says) => {
    const error = refusal({ ...least, ...options });
    expect(error).toMatchObject({ code: 'invalid-config' });
    expect(error.message).toContain(says);
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(password);
  });

  it.each([
    ['text', password],
    ['a secret', new Secret(password)],
  ])('take a password as %s, which nothing shows', (_, given) => {
    const config: ClientConfig = {
      ...least,
      sasl: { mechanism: 'plain', username: 'weir', password: given },
    };
    const client = createClient(config);
    const resolved = resolveConfig(config);
    expect(resolved.connection.sasl!.password.reveal()).toBe(password);
    for (const one of [client, resolved, new ClientError('refused', 'no', { cause: resolved })]) {
      expect(inspect(one, { depth: null })).not.toContain(password);
      expect(JSON.stringify(one)).not.toContain(password);
    }
    expect(inspect(client, { depth: null, showHidden: true })).not.toContain(password);
  });

  it('take the mechanism in capital letters, as brokers write it', () => {
    const config = { ...least, sasl: { ...signedIn, mechanism: 'SCRAM-SHA-256' } } as unknown as ClientConfig;
    expect(resolveConfig(config).connection.sasl).toMatchObject({ mechanism: 'scram-sha-256' });
  });
});
