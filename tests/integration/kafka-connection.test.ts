/**
 * Both clients over TLS and SASL on a real broker: where one connects so does the other, and what is refused is refused
 * soon, with what to mend.
 */
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import RdKafka from 'node-rdkafka';
import { describe, expect, it } from 'vitest';
import { EngineError } from '#engine/engine-error.ts';
import {
  type KafkaConnection,
  kafkajsConfig,
  type KafkaSasl,
  librdkafkaConfig,
} from '#engine/kafka/connection.ts';
import { explainConnecting } from '#engine/kafka/connection-librdkafka.ts';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { connectionFromSettings } from '#engine/kafka/connection-settings.ts';
import { called } from '#engine/kafka/driver/librdkafka.ts';
import { GroupMember } from '#engine/kafka/reader/group-member.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import type { PlannedTopic } from '#engine/kafka/topics/planned-topic.ts';
import {
  type Listener,
  password,
  type SecuredKafka,
  securedKafkaForFile,
  username,
} from './kafka-connection.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';

const local = securedKafkaForFile();
/** Both clients retry for a moment, and librdkafka hears other brokers out; the machine may stand still meanwhile. */
const soonMs = 60_000;
/** How long topics are tried for: what is refused is refused long before. */
const patienceMs = { refused: 150_000, unreachable: 2_000 } as const;

const signedInBy = (mechanism: KafkaSasl['mechanism']): KafkaSasl => ({
  mechanism,
  username,
  password: new Secret(password),
});
const scram = signedInBy('scram-sha-512');
const pem = (secured: SecuredKafka, file: string): Promise<string> =>
  readFile(join(secured.directory, `${file}.pem`), 'utf8');

interface Way {
  readonly to: Listener;
  /** The file of the authority that is trusted; '' for those that Node trusts; without TLS when it is left out. */
  readonly ca?: string;
  readonly checkServerName?: boolean;
  readonly sasl?: KafkaSasl;
  /** Whether the client has a certificate of its own. */
  readonly certified?: boolean;
}

async function connectionBy(secured: SecuredKafka, way: Way): Promise<KafkaConnection> {
  const { to, ca, checkServerName, sasl, certified } = way;
  const tls = {
    ...(ca === undefined || ca === '' ? {} : { ca: await pem(secured, ca) }),
    ...(checkServerName === undefined ? {} : { checkServerName }),
    ...(certified === true
      ? { cert: await pem(secured, 'client'), key: new Secret(await pem(secured, 'client-key')) }
      : {}),
  };
  return {
    brokers: [secured.address[to]],
    ...(ca === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

const topicOf = (name: string): PlannedTopic => ({
  topic: name,
  what: 'stream',
  partitions: 1,
  settings: {},
  requirements: [],
});

/** The first values of the topic's one partition. A commit is answered before it can be seen: they are waited for. */
async function read(connection: KafkaConnection, topic: string, count: number): Promise<string[]> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connection) });
  try {
    const partition = await reader.assign(topic, 0, await reader.offsetOf(topic, 0, 'start'));
    const values: string[] = [];
    const giveUpAtMs = performance.now() + 60_000;
    while (values.length < count && performance.now() < giveUpAtMs) {
      values.push(...partition.take(count).map(({ value }) => value!.toString()));
      await sleep(5);
    }
    return values;
  } finally {
    await reader.close();
  }
}

/** Be a member, and commit. */
async function belong(connection: KafkaConnection, topic: string): Promise<number | undefined> {
  const member = await GroupMember.join({
    kafka: kafkajsConfig(connection),
    groupId: `group-${topic}`,
    topics: [topic],
    onAssigned: () => undefined,
    beforeRebalance: () => Promise.resolve(),
    onLost: () => undefined,
  });
  try {
    await member.commit(topic, 0, 7, '');
    return (await member.committed(topic, 0))?.offset;
  } finally {
    await member.leave();
  }
}

/** Without disconnecting: node-rdkafka does that itself after a failure, and nothing else is expected here. */
async function connectRdKafka(
  connection: KafkaConnection,
  kind: 'Producer' | 'KafkaConsumer',
): Promise<void> {
  const settings = librdkafkaConfig(connection);
  const client =
    kind === 'Producer'
      ? new RdKafka.Producer({ ...settings, 'transactional.id': 'never' })
      : new RdKafka.KafkaConsumer({ ...settings, 'group.id': 'never' }, {});
  const connecting = called((done) => {
    client.connect({ allTopics: false, timeout: 3_000 }, done);
  });
  await explainConnecting(client, kind, connecting);
}

/** Each of the ways in which Weir connects. */
const clients: Readonly<
  Record<string, (connection: KafkaConnection, as: keyof typeof patienceMs) => Promise<unknown>>
> = {
  reader: (connection) => read(connection, 'never', 0),
  member: (connection) => belong(connection, 'never'),
  topics: (connection, as) => ensureTopics(connection, [topicOf('never')], { timeoutMs: patienceMs[as] }),
  producer: (connection) => connectRdKafka(connection, 'Producer'),
  consumer: (connection) => connectRdKafka(connection, 'KafkaConsumer'),
};

describe('both clients connect', () => {
  const ways: Readonly<Record<string, Way>> = {
    'scram-sha-512 over TLS': { to: 'saslTls', ca: 'ca', sasl: scram },
    'scram-sha-256 over TLS': { to: 'saslTls', ca: 'ca', sasl: signedInBy('scram-sha-256') },
    'plain over TLS': { to: 'saslTls', ca: 'ca', sasl: signedInBy('plain') },
    'plain without TLS': { to: 'saslPlaintext', sasl: signedInBy('plain') },
    'a certificate of the client': { to: 'mutual', ca: 'ca', certified: true },
    'a certificate for another host, unchecked': { to: 'otherHost', ca: 'ca', checkServerName: false },
  };
  it.for(Object.keys(ways))('by %s', async (name, context) => {
    const secured = local.of(context);
    const connection = await connectionBy(secured, ways[name]!);
    const topic = name.replaceAll(/[^a-z0-9]+/gi, '-');
    await ensureTopics(connection, [topicOf(topic)]);
    const producer = await TestProducer.connect(connection.brokers.join(','), {
      ...librdkafkaConfig(connection),
      'transactional.id': topic,
    });
    await producer.begin();
    await producer.write([{ topic, partition: 0, key: null, value: Buffer.from('in a transaction') }]);
    await producer.commit();
    await producer.close();
    expect(await read(connection, topic, 1)).toEqual(['in a transaction']);
    expect(await belong(connection, topic)).toBe(7);
  });
});

/** How each client fails, as it is expected to. */
async function failures(
  connection: KafkaConnection,
  as: keyof typeof patienceMs,
): Promise<Map<string, EngineError>> {
  const all = Object.entries(clients).map(async ([client, attempt]) => {
    const error: unknown = await attempt(connection, as).catch((reason: unknown) => reason);
    expect(error, client).toBeInstanceOf(EngineError);
    return [client, error as EngineError] as const;
  });
  return new Map(await Promise.all(all));
}

describe('what is refused is refused by every client soon, and says what to mend', () => {
  const stranger = { ...scram, username: 'stranger' };
  const secret = 'not-the-password';
  const wrong = (mechanism: KafkaSasl['mechanism']): KafkaSasl => ({
    ...signedInBy(mechanism),
    password: new Secret(secret),
  });
  const ways: Readonly<Record<string, Way & { readonly says: RegExp }>> = {
    'a wrong password, by SCRAM': {
      to: 'saslTls',
      ca: 'ca',
      sasl: wrong('scram-sha-512'),
      says: /WEIR_KAFKA_SASL_PASSWORD_FILE.*invalid credentials/s,
    },
    'a wrong password, by plain': {
      to: 'saslTls',
      ca: 'ca',
      sasl: wrong('plain'),
      says: /WEIR_KAFKA_SASL_PASSWORD_FILE.*Invalid username or password/s,
    },
    'an unknown user': { to: 'saslTls', ca: 'ca', sasl: stranger, says: /WEIR_KAFKA_SASL_USERNAME/ },
    'a mechanism that the listener has not': {
      to: 'saslPlaintext',
      sasl: scram,
      says: /WEIR_KAFKA_SASL_MECHANISM/,
    },
    'SASL where there is none': { to: 'plaintext', sasl: scram, says: /WEIR_KAFKA_SASL_MECHANISM/ },
    'a certificate of another authority': {
      to: 'saslTls',
      ca: 'stranger-ca',
      sasl: scram,
      says: /WEIR_KAFKA_TLS_CA_FILE/,
    },
    'a certificate of no public authority': {
      to: 'saslTls',
      ca: '',
      sasl: scram,
      says: /WEIR_KAFKA_TLS_CA_FILE/,
    },
    'a certificate for another host': { to: 'otherHost', ca: 'ca', says: /for another host/ },
    'no certificate where one is wanted': { to: 'mutual', ca: 'ca', says: /WEIR_KAFKA_TLS_CERT_FILE/ },
  };
  it.for(Object.keys(ways))('%s', async (name, context) => {
    const { says, ...way } = ways[name]!;
    const connection = await connectionBy(local.of(context), way);
    const beganAtMs = performance.now();
    for (const [client, error] of await failures(connection, 'refused')) {
      expect([client, error.code, error.retryable]).toEqual([client, 'kafka-refused', false]);
      expect(error.message, client).toMatch(says);
      expect(error.message, client).not.toContain('\n');
      for (const text of [inspect(error, { depth: null }), JSON.stringify(error)]) {
        expect(text).not.toContain(secret);
        expect(text).not.toContain(password);
      }
    }
    expect(performance.now() - beganAtMs).toBeLessThan(soonMs);
  });
});

describe('what may mend itself is not refused', () => {
  const ways: Readonly<Record<string, Way>> = {
    'no TLS where it is wanted': { to: 'mutual' },
    'TLS where there is none': { to: 'plaintext', ca: 'ca' },
    'nobody signed in where it is wanted': { to: 'saslTls', ca: 'ca' },
  };
  it.for(Object.keys(ways))(
    '%s, which looks like a broker that goes away, but has a hint',
    async (name, context) => {
      const connection = await connectionBy(local.of(context), ways[name]!);
      for (const [client, error] of await failures(connection, 'unreachable')) {
        expect([client, error.code, error.retryable]).toEqual([client, 'kafka-unreachable', true]);
        expect(error.message, client).toContain('WEIR_KAFKA_TLS');
      }
    },
  );

  it('a connection that is lost in the midst of signing in', async (context) => {
    const secured = local.of(context);
    // The answers are: versions, mechanisms, and whether the password is right.
    const proxy = await startProxyThatCuts(secured.address.saslPlaintext, 3);
    try {
      const connection = { brokers: [proxy.address], sasl: signedInBy('plain') };
      for (const [client, error] of await failures(connection, 'unreachable'))
        expect([client, error.code, error.message]).toEqual([client, 'kafka-unreachable', error.message]);
      expect(proxy.cut()).toBeGreaterThanOrEqual(5);
    } finally {
      proxy.close();
    }
  });
});

/** Passes connections on, and resets each instead of its n-th answer. */
async function startProxyThatCuts(to: string, nth: number) {
  let cut = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(to.split(':')[1]), '127.0.0.1');
    let answers = 0;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      answers += 1;
      if (answers < nth) client.write(chunk);
      else {
        cut += 1;
        client.resetAndDestroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, cut: () => cut, close: () => server.close() };
}

describe('settings', () => {
  const environmentOf = ({ address, directory }: SecuredKafka): Record<string, string> => ({
    WEIR_KAFKA_BROKERS: address.saslTls,
    WEIR_KAFKA_TLS: 'true',
    WEIR_KAFKA_TLS_CA_FILE: join(directory, 'ca.pem'),
    WEIR_KAFKA_SASL_MECHANISM: 'scram-sha-512',
    WEIR_KAFKA_SASL_USERNAME: username,
    WEIR_KAFKA_SASL_PASSWORD_FILE: join(directory, 'password'),
  });

  it('with files for all that is secret connect', async (context) => {
    const connection = await connectionFromSettings(undefined, environmentOf(local.of(context)));
    await ensureTopics(connection!, [topicOf('by-settings')]);
    expect(await read(connection!, 'by-settings', 0)).toEqual([]);
  });

  it('with a certificate and the key of another are refused', async (context) => {
    const secured = local.of(context);
    const environment = {
      ...environmentOf(secured),
      WEIR_KAFKA_TLS_CERT_FILE: join(secured.directory, 'client.pem'),
      WEIR_KAFKA_TLS_KEY_FILE: join(secured.directory, 'server-key.pem'),
    };
    await expect(connectionFromSettings(undefined, environment)).rejects.toMatchObject({
      code: 'kafka-settings',
      message: expect.stringMatching(/CERT_FILE .* and .*KEY_FILE .* cannot be used together/) as string,
    });
  });
});

it('node-rdkafka is built with TLS and SCRAM', () => {
  expect(RdKafka.features).toEqual(expect.arrayContaining(['ssl', 'sasl_plain', 'sasl_scram']));
});
