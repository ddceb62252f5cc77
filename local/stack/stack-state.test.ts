import { describe, expect, it } from 'vitest';
import { parseState, type StackState } from './stack-state.ts';

const supervisor = { pid: 12, startedAt: 'boot/34' };
const whole: StackState = {
  phase: 'running',
  supervisor,
  kafka: {
    version: '4.3.1',
    runtime: 'docker',
    brokers: [
      {
        id: 1,
        address: '127.0.0.1:9092',
        process: { pid: 13, startedAt: 'boot/35' },
        container: 'weir-kafka-1',
        logPath: '/log',
        failure: 'it died',
      },
    ],
  },
  clickhouse: { url: 'http://127.0.0.1:8123', version: '26.7', process: { pid: 14, startedAt: 'boot/36' } },
};

describe('parseState', () => {
  it('reads back what is written', () => {
    expect(parseState(JSON.stringify(whole))).toEqual(whole);
    const starting: StackState = { phase: 'starting', supervisor };
    expect(parseState(JSON.stringify(starting))).toEqual(starting);
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '7'],
    ['no supervisor', JSON.stringify({ phase: 'running' })],
    [
      'a process id that would be a group',
      JSON.stringify({ ...whole, supervisor: { ...supervisor, pid: -1 } }),
    ],
    ['an unknown phase', JSON.stringify({ ...whole, phase: 'sleeping' })],
    ['brokers that are no list', JSON.stringify({ ...whole, kafka: { ...whole.kafka, brokers: {} } })],
    ['an address of another type', JSON.stringify({ ...whole, clickhouse: { ...whole.clickhouse, url: 1 } })],
  ])('takes %s for no state', (_, text) => {
    expect(parseState(text)).toBeUndefined();
  });
});
