/** The bytes of the assignor; how it places tasks is `placement.test.ts`, that Kafka carries them `kafka-placement.test.ts`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Claims, decodeClaims, encodeClaims, maxClaimBytes, noClaims } from './assignor-claims.ts';

const topic = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('__proto__', 'constructor', '0'));
const partition = fc.nat(1_000);
const claims: fc.Arbitrary<Claims> = fc.record({
  generation: fc.nat(),
  owned: fc.array(fc.record({ topic, partition }), { maxLength: 20 }),
  stored: fc.array(fc.record({ topic, partition, offset: fc.maxSafeNat() }), { maxLength: 20 }),
});

const sorted = (items: readonly object[]): string[] => items.map((item) => JSON.stringify(item)).sort();

describe('claims', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(claims, (given) => {
        const decoded = decodeClaims(encodeClaims(given));
        expect(decoded.generation).toBe(given.generation);
        expect(sorted(decoded.owned)).toEqual(sorted(given.owned));
        expect(sorted(decoded.stored)).toEqual(sorted(given.stored));
      }),
    );
  });

  it('fit, whatever there is to say: all tasks first, then the stores that came furthest', () => {
    const tasks = Array.from({ length: 5_000 }, (_, i) => ({
      topic: `app.processor-${i % 20}-changelog`,
      partition: i,
      offset: i * 1_000_000,
    }));
    const bytes = encodeClaims({ generation: 7, owned: tasks.slice(0, 200), stored: tasks });
    expect(bytes.length).toBeLessThanOrEqual(maxClaimBytes);
    const { owned, stored } = decodeClaims(bytes);
    expect(owned).toHaveLength(200);
    expect(stored.length).toBeGreaterThan(200);
    expect(sorted(stored)).toEqual(sorted(tasks.slice(-stored.length)));
    const tooMany = encodeClaims({ generation: 7, owned: tasks, stored: tasks });
    expect(tooMany.length).toBeLessThanOrEqual(maxClaimBytes);
    expect(decodeClaims(tooMany).owned.length).toBeGreaterThan(1_000);
  });

  const said = (json: string): Buffer => Buffer.concat([Buffer.from([1]), Buffer.from(json)]);
  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['none at all', null],
    ['another version', Buffer.concat([Buffer.from([2]), encodeClaims(noClaims).subarray(1)])],
    ['half of it', encodeClaims({ ...noClaims, owned: [{ topic: 'a', partition: 1 }] }).subarray(0, 12)],
    ['no object', said('7')],
    ['null', said('null')],
    ['wrong types', said('{"g":"1","o":[1,2],"s":{"a":7,"b":["x",1],"c":[1.5,2],"d":[-1,-1]}}')],
    ['an odd count', said('{"s":{"a":[1]}}')],
  ])('that are %s are none', (_, bytes) => {
    expect(decodeClaims(bytes)).toEqual(noClaims);
  });

  it('are read whatever the bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 60 }).map((tail) => Buffer.from([1, ...tail]));
    const json = fc.json().map(said);
    fc.assert(
      fc.property(fc.oneof(bytes, json), (given) => {
        const { owned, stored } = decodeClaims(given);
        for (const task of [...owned, ...stored]) expect(task.partition).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });
});
