import kafkajs from 'kafkajs';
import { expect, it } from 'vitest';
import { fencingFailure } from './fence-partition.ts';

const answer = (type: string, retriable: boolean): Error =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error('said by the broker'), { type, retriable }));

it.each<[string, Error, { readonly code: string; readonly retryable: boolean }]>([
  [
    'a timeout that the brokers do not allow',
    answer('INVALID_TRANSACTION_TIMEOUT', false),
    { code: 'kafka-refused', retryable: false },
  ],
  ['what passes', answer('REQUEST_TIMED_OUT', true), { code: 'kafka-unreachable', retryable: true }],
  ['what a broker does not know', answer('UNKNOWN', false), { code: 'kafka-unreachable', retryable: true }],
  ['a lost connection', new Error('Closed connection'), { code: 'kafka-unreachable', retryable: true }],
])('tells what is refused for good from what passes: %s', (_, error, expected) => {
  expect(fencingFailure('weir-sink-0', error)).toMatchObject(expected);
});

it('names the setting to mend', () => {
  const { message } = fencingFailure('weir-sink-0', answer('INVALID_TRANSACTION_TIMEOUT', false));
  expect(message).toMatch(/weir-sink-0: .*transaction.max.timeout.ms be 10000 or more/);
});
