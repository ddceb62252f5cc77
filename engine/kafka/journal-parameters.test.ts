import { expect, it } from 'vitest';
import { journalHeaders, journalParameters } from './journal-parameters.ts';

it('are read as they were written', () => {
  const inForce = { suppressThreshold: 4_000.5, mode: 'größer', isOn: false };
  expect(journalParameters(journalHeaders(inForce), 'here')).toEqual(inForce);
});

it('leave no header where there are none', () => {
  expect(journalHeaders({})).toEqual({});
  expect(journalParameters({}, 'here')).toBeUndefined();
});

it.each(['{', '[]', 'null', '7', '{"a":null}', '{"a":{"b":1}}'])('are refused by their place: %s', (text) => {
  expect(() => journalParameters({ weir_parameters: text }, 'app.p-journal/0 offset 5')).toThrow(
    /app\.p-journal\/0 offset 5.*weir_parameters/,
  );
});
