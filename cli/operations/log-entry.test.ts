import { expect, it } from 'vitest';
import { EngineError } from '#engine/engine-error.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import { entryOfError, entryOfRetry } from './log-entry.ts';

const place = { component: 'engine', worker: 1, task: 'p-2' };

it('has the code, the level and the place of an error', () => {
  const error = new EngineError('offset-out-of-range', 'a.t/3: retention removed offset 17');
  expect(entryOfError(place, error)).toEqual({
    level: 'warn',
    message: 'a.t/3: retention removed offset 17',
    component: 'engine',
    worker: 1,
    task: 'p-2',
    topic: 'a.t',
    partition: 3,
    offset: 17,
    code: 'offset-out-of-range',
  });
});

it.each([
  ['the course of a rebalance', new EngineError('fenced', 'm'), false, 'info'],
  ['what mends itself', new EngineError('kafka-unreachable', 'm', { retryable: true }), false, 'warn'],
  ['what says that it may pass', new EngineError('kafka-refused', 'm', { retryable: true }), false, 'warn'],
  ['what somebody has to mend', new EngineError('handler-bug', 'm'), false, 'error'],
  ['the end of a task', new EngineError('fenced', 'm'), true, 'error'],
  ['a ClickHouse that is away', new SinkError('clickhouse-transient', 'm'), false, 'warn'],
  ['a table that is wrong', new SinkError('table-mismatch', 'm'), false, 'error'],
  ['what a worker told', { code: 'transaction-aborted', message: 'm' }, false, 'warn'],
  ['what nobody foresaw', new TypeError('m'), false, 'error'],
])('ranks %s', (_, error, isFinal, level) => {
  expect(entryOfError(place, error, isFinal).level).toBe(level);
});

it.each<[string, object]>([
  ['table weir.x, a.t/12: it broke', { topic: 'a.t', partition: 12 }],
  ['3/4 of http://host/2 and 1/2', {}],
  ['the file /state/3 is gone', {}],
  ['nothing', {}],
])('finds the place in: %s', (message, found) => {
  const { topic, partition, offset } = entryOfError({ component: 'c' }, new Error(message));
  expect({ topic, partition, offset }).toEqual({
    topic: undefined,
    partition: undefined,
    offset: undefined,
    ...found,
  });
});

it('takes anything that is thrown', () => {
  expect(entryOfError({ component: 'c', task: '' }, 'text')).toEqual({
    level: 'error',
    message: 'text',
    component: 'c',
  });
  expect(entryOfError({ component: 'c' }, new Error('')).message).toBe('Error');
  expect(entryOfError({ component: 'c' }, null).message).toBe('null');
});

it('tells of a request that is repeated', () => {
  const error = new SinkError('clickhouse-transient', 'a.t/1: too many parts');
  expect(entryOfRetry({ place: 'a.t/1', attempt: 3, pauseMs: 120.4, error })).toMatchObject({
    level: 'warn',
    message: 'a.t/1: too many parts; attempt 3 failed, the next in 121 ms',
    component: 'sink',
    topic: 'a.t',
    code: 'clickhouse-transient',
  });
});
