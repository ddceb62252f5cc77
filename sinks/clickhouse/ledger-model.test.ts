/** The order of things on the way into ClickHouse, in every interleaving of two owners up to a bound: no loss, no duplicate. */
import { describe, expect, test } from 'vitest';
import type { Faults, Mutation } from './ledger-model.fixture.ts';
import { explore } from './ledger-search.fixture.ts';

/** Three batches of one record, or two of one and two. */
const records = 3;
const faults: Faults = {
  crashes: 1,
  rebalances: 1,
  repeats: 1,
  forgotten: 1,
  forgottenByTarget: 0,
  killed: 1,
  halfway: 0,
};
/** A search takes some seconds on a busy machine. */
const timeoutMs = 120_000;
const none: Faults = {
  crashes: 0,
  rebalances: 0,
  repeats: 0,
  forgotten: 0,
  forgottenByTarget: 0,
  killed: 0,
  halfway: 0,
};

describe('the protocol', { timeout: timeoutMs }, () => {
  test.each<Partial<Faults>>([
    {},
    { repeats: 0, forgottenByTarget: 1, killed: 0, halfway: 1 },
    { crashes: 2, rebalances: 0 },
    { crashes: 2, rebalances: 0, forgottenByTarget: 1, killed: 0, halfway: 1 },
  ])('has every record in the table once, whatever comes in whatever order, with %j', (fewer) => {
    const { worlds, fault } = explore(records, { ...faults, ...fewer });
    expect(fault).toBeUndefined();
    // A search that visits little proves little.
    expect(worlds).toBeGreaterThan(10_000);
  });

  test('comes to its end where nothing happens to it', () => {
    const { worlds, fault } = explore(records, none);
    expect(fault).toBeUndefined();
    expect(worlds).toBeGreaterThan(10);
  });
});

/** What is broken, what the search must find, and the faults without which it cannot happen. */
const mutations: readonly (readonly [Mutation, 'loss' | 'duplicate', Partial<Faults>])[] = [
  ['no intent', 'duplicate', { crashes: 1 }],
  ['commit before insert', 'loss', {}],
  ['no token', 'duplicate', { repeats: 1 }],
  ['generation not checked', 'duplicate', { crashes: 1, rebalances: 1 }],
  ['promise not kept', 'duplicate', { crashes: 1 }],
  ['no look before repeating', 'duplicate', { crashes: 1, forgotten: 1 }],
  ['no look after repeating', 'loss', { killed: 1 }],
  ['views not heeded', 'loss', { crashes: 1, halfway: 1 }],
  ['repeats what may be forgotten', 'duplicate', { crashes: 1, forgotten: 1 }],
  ['repeats what may be forgotten', 'duplicate', { crashes: 1, forgottenByTarget: 1 }],
  ['repair not told', 'duplicate', { killed: 1 }],
  ['window too small', 'duplicate', { repeats: 1, forgotten: 1 }],
  ['position not confirmed', 'loss', { rebalances: 1, killed: 1 }],
];

describe('the protocol without one of its parts', () => {
  test.each(mutations)('%s: a %s is found', (mutation, what, few) => {
    const { fault } = explore(records, { ...none, ...few }, mutation);
    expect(fault?.what).toMatch(new RegExp(`^${what}`));
    // The same faults do no harm to the whole protocol.
    expect(explore(records, { ...none, ...few }).fault).toBeUndefined();
  });
});
