/** What `startIngest` refuses of what plain JavaScript hands over. */
import { afterAll, expect, it } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import { createClient } from '../client.ts';
import { type IngestConfig, resolveIngest } from './ingest-config.ts';
import { parseTokens } from './tokens.ts';

const client = createClient({ brokers: ['127.0.0.1:1'], source: '/tests' });
afterAll(() => client.close());
const least = { client, streams: [linkStates], port: 0 };

const cases: [string, unknown, string][] = [
  ['none', undefined, 'its options must be an object, not undefined'],
  ['an empty one', {}, 'client is missing; streams is missing; port is missing'],
  ['another client', { ...least, client: {} }, 'client must be what createClient returns, not an object'],
  ['a stream alone', { ...least, streams: linkStates }, 'streams must be a list of streams'],
  ['topics', { ...least, streams: ['a'] }, 'streams[0] must be one such as linkStates'],
  ['half a stream', { ...least, streams: [linkStates, { topic: 'a' }] }, 'streams[1].name must be text'],
  ['a port above', { ...least, port: 65_536 }, 'port must be a whole number from 0 to 65535, not 65536'],
  ['a host that is no text', { ...least, host: 5 }, 'host must be text, not a number'],
  [
    'tokens as text',
    { ...least, tokens: ['not-to-be-seen'] },
    'tokens must be a list as parseTokens makes it',
  ],
  ['a misspelt option', { ...least, token: [] }, "no option 'token' (did you mean 'tokens'?)"],
  ['a misspelt limit', { ...least, limits: { maxRecord: 1 } }, "(did you mean 'limits.maxRecords'?)"],
  [
    'a limit below',
    { ...least, limits: { maxRecords: 0 } },
    'limits.maxRecords must be a whole number of 1 or more',
  ],
];
it.each(cases)('a configuration is refused by name: %s', (_, config, says) => {
  const resolve = (): unknown => resolveIngest(config as IngestConfig);
  expect(resolve).toThrow(expect.objectContaining({ name: 'ClientError', code: 'invalid-config' }));
  expect(resolve).toThrow(`startIngest: `);
  expect(resolve).toThrow(says);
  expect(resolve).not.toThrow('not-to-be-seen');
});

it('takes a limit that is undefined as left out', () => {
  const limits = { maxRecords: undefined, maxBodyBytes: 5 } as unknown as { maxBodyBytes: number };
  const tokens = parseTokens(`a ${'t'.repeat(16)}`, 'here');
  expect(resolveIngest({ ...least, limits, tokens })).toMatchObject({
    limits: { maxRecords: 10_000, maxBodyBytes: 5 },
    tokens,
  });
});
