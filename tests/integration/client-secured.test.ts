/** The client over TLS and SASL: it connects where the readers do, and what is refused is told at once, not after a time-out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createClient } from '#client/index.ts';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { schemas } from '#engine/records/generated.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { linkState } from './client.fixture.ts';
import { password, type SecuredKafka, securedKafkaForFile, username } from './kafka-connection.fixture.ts';

const local = securedKafkaForFile();

async function securedBy(secured: SecuredKafka, ca: string, word: string): Promise<KafkaConnection> {
  return {
    brokers: [secured.address.saslTls],
    tls: { ca: await readFile(join(secured.directory, `${ca}.pem`), 'utf8') },
    sasl: { mechanism: 'scram-sha-512', username, password: new Secret(word) },
  };
}

it('publishes by SCRAM over TLS', async (context) => {
  const connection = await securedBy(local.of(context), 'ca', password);
  await ensureTopics(
    connection,
    [linkStates.topic, schemas.topic].map((topic) => ({
      topic,
      what: 'stream' as const,
      partitions: 1,
      settings: {},
      requirements: [],
    })),
  );
  const client = createClient({ ...connection, source: '/tests/secured' });
  await client.publish(linkStates, linkState('d', 1));
  await client.close();
  expect(client.stats()).toMatchObject({ acknowledged: 1, rejected: 0 });
});

it.for([
  ['a wrong password', 'ca', 'not-the-password', /WEIR_KAFKA_SASL_PASSWORD/],
  ['a certificate of another authority', 'stranger-ca', password, /WEIR_KAFKA_TLS_CA_FILE/],
] as const)('tells %s at once, and not the password', async ([, ca, word, says], context) => {
  const connection = await securedBy(local.of(context), ca, word);
  const client = createClient({ ...connection, source: '/tests/secured' });
  const startedAtMs = performance.now();
  const error: unknown = await client
    .publish(linkStates, linkState('d', 1))
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'refused', retryable: false });
  expect((error as Error).message).toMatch(says);
  expect((error as Error).message).not.toContain(word);
  expect(performance.now() - startedAtMs).toBeLessThan(8_000);
  await client.close();
});
