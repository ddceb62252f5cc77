/** The client over TLS and SASL: it connects where the readers do, and what is refused is told at once, not after a time-out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type ClientConnection, createClient } from '#client/index.ts';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { schemas } from '#engine/records/generated.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { linkState } from './client.fixture.ts';
import { password, type SecuredKafka, securedKafkaForFile, username } from './kafka-connection.fixture.ts';
import { blocksOf, runScript } from './producing-events.fixture.ts';

const local = securedKafkaForFile();

const pem = ({ directory }: SecuredKafka, name: string): Promise<string> =>
  readFile(join(directory, `${name}.pem`), 'utf8');

async function securedBy(secured: SecuredKafka, ca: string, word: string): Promise<KafkaConnection> {
  return {
    brokers: [secured.address.saslTls],
    tls: { ca: await pem(secured, ca) },
    sasl: { mechanism: 'scram-sha-512', username, password: new Secret(word) },
  };
}

async function createTopics(secured: SecuredKafka): Promise<void> {
  await ensureTopics(
    await securedBy(secured, 'ca', password),
    [linkStates.topic, schemas.topic].map((topic) => ({
      topic,
      what: 'stream' as const,
      partitions: 1,
      settings: {},
      requirements: [],
    })),
  );
}

it.for(['scram-sha-512', 'a certificate of its own'])(
  'publishes over TLS by %s, with secrets as text',
  async (way, context) => {
    const secured = local.of(context);
    await createTopics(secured);
    const ca = await pem(secured, 'ca');
    const signedIn: ClientConnection = {
      brokers: [secured.address.saslTls],
      tls: { ca },
      sasl: { mechanism: 'scram-sha-512', username, password },
    };
    const certified: ClientConnection = {
      brokers: [secured.address.mutual],
      tls: { ca, cert: await pem(secured, 'client'), key: await pem(secured, 'client-key') },
    };
    const connection = way === 'scram-sha-512' ? signedIn : certified;
    const client = createClient({ ...connection, source: '/tests/secured' });
    await client.publish(linkStates, linkState('d', 1));
    await client.close();
    expect(client.stats()).toMatchObject({ acknowledged: 1, rejected: 0 });
  },
);

it('publishes as docs/producing-events.md shows it', async (context) => {
  const secured = local.of(context);
  await createTopics(secured);
  const code = blocksOf('secured')[0]!
    .code.replaceAll(/kafka-\d:9093/g, secured.address.saslTls)
    .replace('/etc/kafka/ca.pem', join(secured.directory, 'ca.pem'))
    .replace("username: 'host-a'", `username: '${username}'`);
  await runScript(code, { KAFKA_PASSWORD: password });
});

it.for([
  ['a wrong password', 'ca', 'not-the-password', /WEIR_KAFKA_SASL_PASSWORD/],
  ['a certificate of another authority', 'stranger-ca', password, /WEIR_KAFKA_TLS_CA_FILE/],
] as const)('tells %s at once, and not the password', async ([, ca, word, says], context) => {
  const connection = await securedBy(local.of(context), ca, word);
  // Every time-out of its own is longer than what `at once` may be on a slow machine.
  const client = createClient({
    ...connection,
    source: '/tests/secured',
    connectTimeoutMs: 120_000,
    requestTimeoutMs: 120_000,
    deliveryTimeoutMs: 120_000,
  });
  const startedAtMs = performance.now();
  const error: unknown = await client
    .publish(linkStates, linkState('d', 1))
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'refused', retryable: false });
  expect((error as Error).message).toMatch(says);
  expect((error as Error).message).not.toContain(word);
  expect(performance.now() - startedAtMs).toBeLessThan(60_000);
  await client.close();
});
