import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { authenticator, mayWrite, parseTokens, tokensFromEnvironment } from './tokens.ts';

const one = 'a'.repeat(32);
const two = 'b'.repeat(32);

describe('tokens', () => {
  it('are lines of a name, a token and beginnings of topics', () => {
    const tokens = parseTokens(`# who\n\n agents ${one}\r\nlab ${two} migration. failover.io\n`, 'here');
    expect(tokens.map(({ name, topicPrefixes }) => [name, topicPrefixes])).toEqual([
      ['agents', undefined],
      ['lab', ['migration.', 'failover.io']],
    ]);
    expect(tokens.map((token) => mayWrite(token, 'migration.link-states'))).toEqual([true, true]);
    expect(tokens.map((token) => mayWrite(token, 'storage.volumes'))).toEqual([true, false]);
    expect(inspect(tokens)).not.toContain(one);
  });

  it.each([
    ['agents', "here, line 1: 'agents' has no token"],
    ['agents short', "the token of 'agents' must have 16 or more"],
    [`agents ${'ä'.repeat(20)}`, "the token of 'agents' must have 16 or more"],
    [`a/b ${one}`, 'a name has letters'],
    [`a ${one}\na ${two}`, "here, line 2: 'a' is there twice"],
    [`a ${one}\nb ${one}`, "here, line 2: 'b' has the token of another"],
    ['# nobody', 'here has no token'],
  ])('that are wrong are refused by their line, and not shown: %j', (text, message) => {
    expect(() => parseTokens(text, 'here')).toThrow(message);
    expect(() => parseTokens(text, 'here')).not.toThrow(one);
  });

  it('come from the environment, or from a file that it names', async () => {
    expect(await tokensFromEnvironment({})).toBeUndefined();
    expect(await tokensFromEnvironment({ WEIR_INGEST_TOKENS: `a ${one}` })).toHaveLength(1);
    await expect(tokensFromEnvironment({ WEIR_INGEST_TOKENS_FILE: '/nowhere/at/all' })).rejects.toThrow(
      /cannot be read.*\/nowhere\/at\/all/,
    );
    await expect(
      tokensFromEnvironment({ WEIR_INGEST_TOKENS: `a ${one}`, WEIR_INGEST_TOKENS_FILE: 'f' }),
    ).rejects.toThrow('both set');
  });
});

describe('an authenticator', () => {
  const authenticate = authenticator(parseTokens(`one ${one}\ntwo ${two}`, 'here'));

  it.each([
    [`Bearer ${one}`, 'one'],
    [`bearer  ${two} `, 'two'],
    [undefined, undefined],
    ['', undefined],
    ['Bearer', undefined],
    ['Bearer ', undefined],
    [`Basic ${one}`, undefined],
    [one, undefined],
    [`Bearer ${one}a`, undefined],
    [`Bearer ${one.slice(1)}`, undefined],
    [`Bearer ${one} ${one}`, undefined],
  ])('takes %j for %s', (header, name) => {
    expect(authenticate(header)?.name).toBe(name);
  });
});
