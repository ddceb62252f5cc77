/** Calls that plain JavaScript gets wrong: each says what is wrong, by name, as a ClientError. */
import { afterEach, describe, expect, it } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import { createClient } from './client.ts';
import type { Framing } from './client-config.ts';
import { ClientError } from './client-error.ts';
import { event } from './event.fixture.ts';
import { encodeEvent } from './stream-encoder.ts';

const open = (framing: Framing = { kind: 'single-object' }): ReturnType<typeof createClient> =>
  createClient({ brokers: ['127.0.0.1:1'], source: '/tests', deliveryTimeoutMs: 100, framing });
let client = open();
afterEach(async () => {
  await client.close(1_000).catch(() => undefined);
  client = open();
});

async function refusal(call: () => unknown): Promise<ClientError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ClientError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('an argument is refused by name', () => {
  const streams: [string, unknown, string][] = [
    ['none', undefined, 'stream must be one such as linkStates of weir/schemas/migration, not undefined'],
    ['a topic', 'migration.link-states', 'not a text'],
    ['the event', event, 'stream.topic must be text that is not empty, not undefined'],
    ['a stream without key', { ...linkStates, key: undefined }, 'stream.key.field must be text'],
    ['a stream without schema', { ...linkStates, schema: null }, 'stream.schema must be an object, not null'],
    [
      'a stream without unit',
      { ...linkStates, time: { field: 'at' } },
      'stream.time.unit must be millis or micros',
    ],
  ];
  it.each(streams)('stream: %s', async (_, stream, says) => {
    const given = stream as typeof linkStates;
    const calls = [
      (): unknown => client.publish(given, event),
      (): unknown => client.announce(given),
      (): unknown => encodeEvent(given, event, { id: 'id', source: '/' }),
    ];
    for (const call of calls) {
      const error = await refusal(call);
      expect(error.code).toBe('invalid-config');
      expect(error.message).toContain(says);
    }
  });

  it.each([undefined, null, 5, 'text', []])('event: %j', async (given) => {
    const error = await refusal(() => client.publish(linkStates, given as unknown as typeof event));
    expect(error.code).toBe('invalid-event');
    expect(error.message).toContain('migration.link-states: ');
  });

  const options: [string, unknown, string][] = [
    ['null', null, 'publish: its options must be an object, not null'],
    ['an id alone', 'id-1', 'publish: its options must be an object, not a text'],
    ['an id that is no text', { id: 5 }, 'publish: id must be text that is not empty, not 5'],
    ['an empty source', { source: '' }, 'publish: source must be a URI reference'],
    ['another whenFull', { whenFull: 'drop' }, "publish: whenFull must be wait or reject, not 'drop'"],
    [
      'a misspelt one',
      { Id: 'a' },
      "publish: there is no option 'Id' (did you mean 'id'?), only id, source, whenFull",
    ],
  ];
  it.each(options)('options: %s', async (_, given, says) => {
    const error = await refusal(() => client.publish(linkStates, event, given as { id: string }));
    expect(error).toMatchObject({ code: 'invalid-config' });
    expect(error.message).toContain(says);
  });

  it.each([NaN, -1, 1.5, 2 ** 31, '42'])('id in the registry: %j', async (given) => {
    const id = given as number;
    const framed = open({ kind: 'confluent', idOf: () => id });
    for (const call of [
      (): unknown => client.announce(linkStates, id),
      (): unknown => framed.publish(linkStates, event),
    ]) {
      const error = await refusal(call);
      expect(error).toMatchObject({ code: 'invalid-config' });
      expect(error.message).toContain('migration.link-states: the id in the schema registry must be a whole');
    }
    await framed.close();
  });

  it('framing.idOf that fails', async () => {
    const idOf = (): number => {
      throw new TypeError('no such stream');
    };
    const framed = open({ kind: 'confluent', idOf });
    const error = await refusal(() => framed.publish(linkStates, event));
    expect(error).toMatchObject({ code: 'invalid-config' });
    expect(error.message).toBe('migration.link-states: framing.idOf failed: no such stream');
    await framed.close();
  });

  it('identity', async () => {
    const error = await refusal(() =>
      encodeEvent(linkStates, event, { id: 'a' } as { id: string; source: string }),
    );
    expect(error).toMatchObject({ code: 'invalid-config', message: 'encodeEvent: source is missing' });
  });

  it.each(['5', null, NaN])('timeoutMs: %j, and the client goes on', async (given) => {
    const timeoutMs = given as number;
    for (const call of ['flush', 'close'] as const) {
      const error = await refusal(() => client[call](timeoutMs));
      expect(error).toMatchObject({ code: 'invalid-config' });
      expect(error.message).toContain(`${call}: timeoutMs must be a number of milliseconds, not `);
    }
    expect(await refusal(() => client.publish(linkStates, event))).toMatchObject({ code: 'not-delivered' });
  });
});

it('options that are undefined are left out', async () => {
  const none = { id: undefined, source: undefined, whenFull: undefined } as unknown as { id: string };
  const error = await refusal(() => client.publish(linkStates, event, none));
  expect(error.code).toBe('not-delivered');
});
