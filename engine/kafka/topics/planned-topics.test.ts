/** Which topics an app needs, and with what settings. */
import { describe, expect, it } from 'vitest';
import { alarms, limits, others, readings, summing, sums } from '../../task/readings.fixture.ts';
import type { App } from '../../topology/app.ts';
import type { Stream } from '../../topology/stream.ts';
import { plannedTopics, type TopicPlan } from './planned-topics.ts';

const app = (...more: Stream<unknown>[]): App => ({
  name: 'test',
  streams: [readings, others, sums, alarms, limits, ...more],
  processors: [summing],
});
const planned = (topic: string, of: App = app(), plan?: TopicPlan) => {
  const found = plannedTopics(of, plan).filter((one) => one.topic === topic);
  expect(found).toHaveLength(1);
  return found[0]!;
};
const required = (topic: string): string[] => planned(topic).requirements.map(({ setting }) => setting);
const days = (count: number): string => String(count * 86_400_000);

describe('the topics of an app', () => {
  it('are its streams, the dead letters and the schemas, and a changelog and a journal for each processor', () => {
    expect(plannedTopics(app()).map(({ topic }) => topic)).toEqual([
      'weir.dead-letters',
      'weir.schemas',
      'test.readings',
      'test.others',
      'test.sums',
      'test.alarms',
      'test.limits-table',
      'test.test.summing-changelog',
      'test.test.summing-journal',
    ]);
  });

  it('have the partitions of the stream; changelog and journal as many as there are tasks', () => {
    const wide = { ...readings, partitions: 6 };
    const of: App = {
      name: 'test',
      streams: [wide],
      processors: [{ ...summing, inputs: { readings: wide } }],
    };
    expect(planned('test.readings', of).partitions).toBe(6);
    expect(planned('test.test.summing-changelog', of).partitions).toBe(6);
    expect(planned('test.test.summing-journal', of).partitions).toBe(6);
    expect(planned('test.limits-table').partitions).toBe(2);
  });

  it('are compacted for tables, schemas and changelogs, and deleted by time otherwise', () => {
    const policies = plannedTopics(app()).map(({ topic, settings }) => [topic, settings['cleanup.policy']]);
    expect(Object.fromEntries(policies)).toEqual({
      'weir.dead-letters': 'delete',
      'weir.schemas': 'compact',
      'test.readings': 'delete',
      'test.others': 'delete',
      'test.sums': 'delete',
      'test.alarms': 'delete',
      'test.limits-table': 'compact',
      'test.test.summing-changelog': 'compact',
      'test.test.summing-journal': 'delete',
    });
  });

  it('keep events for a week, or what is asked for, but no longer than their rows', () => {
    const short = { ...readings, topic: 'test.short', clickhouse: { ...readings.clickhouse, ttlDays: 2 } };
    const long = { ...readings, topic: 'test.long', clickhouse: { ...readings.clickhouse, ttlDays: 90 } };
    const of = app(short, long);
    const retention = (topic: string, retentionMs?: number): string | undefined =>
      planned(topic, of, retentionMs === undefined ? {} : { retentionMs }).settings['retention.ms'];
    expect([retention('test.sums'), retention('test.short'), retention('test.long')]).toEqual([
      days(7),
      days(2),
      days(7),
    ]);
    expect([retention('test.sums', -1), retention('test.short', -1)]).toEqual(['-1', days(2)]);
    expect(retention('test.test.summing-journal', 1_000)).toBe(days(7));
  });

  it('must bear any event time where tasks write, and bear that of the writer where they read', () => {
    expect(required('test.readings')).toEqual(['cleanup.policy', 'message.timestamp.type']);
    expect(required('test.limits-table')).toContain('message.timestamp.type');
    for (const topic of ['test.sums', 'test.alarms', 'weir.dead-letters', 'weir.schemas'])
      expect(required(topic)).toContain('message.timestamp.after.max.ms');
    for (const topic of ['test.test.summing-changelog', 'test.test.summing-journal'])
      expect(required(topic)).toContain('message.timestamp.after.max.ms');
  });

  it('take every dead letter', () => {
    expect(required('weir.dead-letters')).toContain('max.message.bytes');
    expect(required('weir.schemas')).not.toContain('max.message.bytes');
  });

  it('meet their own requirements when they are made', () => {
    for (const { settings, requirements } of plannedTopics(app()))
      for (const one of requirements)
        expect(settings[one.setting]).toBe('equals' in one ? one.equals : String(one.atLeast));
  });

  it('are replicated as asked', () => {
    expect(planned('test.sums').replication).toBeUndefined();
    expect(planned('test.sums', app(), { replication: 2 }).replication).toBe(2);
  });
});
