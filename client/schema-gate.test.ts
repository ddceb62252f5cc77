import { expect, it } from 'vitest';
import { ClientError } from './client-error.ts';
import { SchemaGate } from './schema-gate.ts';

it('holds events back until the schema is announced, in their order, and announces again after a failure', () => {
  const announcing: { done: () => void; failed: (error: ClientError) => void }[] = [];
  const gate = new SchemaGate((done, failed) => announcing.push({ done, failed }));
  const got: string[] = [];
  const enter = (name: string): void => {
    gate.enter(
      () => got.push(name),
      ({ code }) => got.push(`${name} ${code}`),
    );
  };
  enter('a');
  enter('b');
  expect([got.length, announcing.length]).toEqual([0, 1]);
  announcing[0]!.failed(new ClientError('not-delivered', 'no broker'));
  expect(got).toEqual(['a not-delivered', 'b not-delivered']);
  enter('c');
  enter('d');
  expect(announcing).toHaveLength(2);
  announcing[1]!.done();
  enter('e');
  expect(got.slice(2)).toEqual(['c', 'd', 'e']);
  expect(announcing).toHaveLength(2);
});

it('holds nothing back and announces nothing where the schema is announced already', () => {
  const gate = new SchemaGate(() => expect.fail('announced again'), true);
  const got: string[] = [];
  gate.enter(
    () => got.push('a'),
    () => got.push('refused'),
  );
  expect(got).toEqual(['a']);
});
