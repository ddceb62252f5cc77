import { ClickHouseError } from '@clickhouse/client';
import { EngineError } from '#engine/engine-error.ts';
import { describe, expect, test } from 'vitest';
import { classify, describeFailure, isAnswer, type InsertFailure } from './insert-error.ts';
import { SinkError } from './error.ts';
import { retryTransient, type Retrying } from './retry.ts';

const answer = (code: number, message = ''): Error =>
  new ClickHouseError({ code: String(code), message, type: 'X' });
const network = (code: string): Error => Object.assign(new Error(code), { code });

describe('classify', () => {
  const codes: readonly (readonly [InsertFailure, readonly number[]])[] = [
    [
      'transient',
      [
        3, 107, 159, 173, 198, 201, 202, 203, 209, 210, 225, 236, 241, 242, 243, 244, 279, 285, 286, 319, 394,
        425, 439, 473, 499, 745, 999, 1000,
      ],
    ],
    ['data', [27, 117, 349, 469, 6, 153]],
    ['permanent', [16, 53, 60, 81, 164, 246, 497, 516, 62, 12_345]],
  ];
  test.each(codes.flatMap(([failure, list]) => list.map((code) => [code, failure] as const)))(
    'code %i is %s',
    (code, failure) => {
      expect(classify(answer(code))).toBe(failure);
    },
  );

  test.each<[string, unknown, InsertFailure]>([
    [
      'too many parts',
      answer(
        252,
        'Too many parts (300 with average size of 1 MiB). Merges are processing slower than inserts',
      ),
      'transient',
    ],
    [
      'a disk that fills up during a write',
      answer(75, 'Cannot write to file, errno: 28, strerror: No space left on device'),
      'transient',
    ],
    [
      // Bytes that are damaged on ClickHouse's disk stay so; a disk that is full says that it is.
      'a damaged part',
      answer(246, "Bad size of marks file 'x.mrk2': 0, must be: 888"),
      'permanent',
    ],
    [
      'too many partitions',
      answer(252, 'Too many partitions for single INSERT block (more than 100)'),
      'partitions',
    ],
    [
      'an answer that the client could not parse',
      new Error('Code: 60. DB::Exception: Table t does not exist'),
      'permanent',
    ],
    ['connection refused', network('ECONNREFUSED'), 'transient'],
    ['connection reset', network('ECONNRESET'), 'transient'],
    ['a time-out of the client', new Error('Timeout error.'), 'transient'],
    ["a proxy's page", new Error('<html>502 Bad Gateway</html>'), 'transient'],
    ['a bug', new TypeError('x is not a function'), 'permanent'],
    ['a closed log', new EngineError('log-closed', 'closed'), 'permanent'],
    ['a log that asks for patience', new EngineError('log-closed', 'wait', { retryable: true }), 'transient'],
  ])('%s', (_, error, failure) => {
    expect(classify(error)).toBe(failure);
  });

  test('a described failure names place and code, and says whether to try again', () => {
    expect(describeFailure(answer(60, 'no table '), 'permanent', 'table a.b, t/0')).toMatchObject({
      code: 'clickhouse-permanent',
      retryable: false,
      message: 'table a.b, t/0: no table (ClickHouse code 60)',
    });
    expect(describeFailure(network('EPIPE'), 'transient', 'x').retryable).toBe(true);
  });

  test('tells what ClickHouse answered from a ClickHouse that is away', () => {
    expect(isAnswer(describeFailure(answer(252), 'transient', 'x'))).toBe(true);
    expect(isAnswer(describeFailure(network('ECONNREFUSED'), 'transient', 'x'))).toBe(false);
  });
});

describe('retryTransient', () => {
  const config = { initialMs: 1, maxMs: 4 };

  test('repeats with pauses that double up to the longest, and returns what came at last', async () => {
    const pauses: number[] = [];
    let tries = 0;
    const request = (): Promise<string> =>
      ++tries < 6 ? Promise.reject(network('ECONNREFUSED')) : Promise.resolve('in');
    const result = await retryTransient(
      request,
      'here',
      new AbortController().signal,
      config,
      ({ pauseMs }) => pauses.push(pauseMs),
    );
    expect(result).toBe('in');
    expect(pauses).toHaveLength(5);
    [1, 2, 4, 4, 4].forEach((fullMs, i) => {
      expect(pauses[i]).toBeGreaterThanOrEqual(fullMs / 2);
      expect(pauses[i]).toBeLessThanOrEqual(fullMs);
    });
  });

  test('says that it was Kafka where it was, and where', async () => {
    const told: Retrying[] = [];
    let tries = 0;
    const request = (): Promise<void> =>
      ++tries === 1
        ? Promise.reject(new EngineError('kafka-unreachable', 'no broker', { retryable: true }))
        : Promise.resolve();
    await retryTransient(request, 'table a.b, t/0', new AbortController().signal, config, (one) =>
      told.push(one),
    );
    expect(told).toMatchObject([
      { error: { code: 'kafka-unreachable', message: 'table a.b, t/0: no broker' } },
    ]);
  });

  test('does not repeat what would fail again', async () => {
    let tries = 0;
    const request = (): Promise<void> => {
      tries += 1;
      return Promise.reject(answer(497));
    };
    await expect(
      retryTransient(request, 'here', new AbortController().signal, config, () => undefined),
    ).rejects.toMatchObject({ code: '497' });
    expect(tries).toBe(1);
  });

  test('ends a pause when it is stopped', async () => {
    const stop = new AbortController();
    const waiting = retryTransient(
      () => Promise.reject(network('EPIPE')),
      'here',
      stop.signal,
      { initialMs: 60_000, maxMs: 60_000 },
      () => {
        stop.abort();
      },
    );
    await expect(waiting).rejects.toBeInstanceOf(SinkError);
    await expect(waiting).rejects.toMatchObject({ code: 'stopped' });
  });
});
