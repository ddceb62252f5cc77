/** What is wrong with a topic that exists, and what the message tells to do. */
import { describe, expect, it } from 'vitest';
import type { PlannedTopic } from './planned-topic.ts';
import { topicDifferences } from './topic-differences.ts';

const planned: PlannedTopic = {
  topic: 'app.p-journal',
  what: 'journal of p',
  partitions: 4,
  settings: {},
  requirements: [
    { setting: 'cleanup.policy', equals: 'delete', because: 'every record counts' },
    { setting: 'retention.ms', atLeast: 1_000, because: 'it could not be replayed' },
    { setting: 'min.compaction.lag.ms', atLeast: 0, because: 'never' },
    { setting: 'message.timestamp.after.max.ms', equals: '9223372036854775807', because: 'it is refused' },
  ],
};
const fine = {
  'cleanup.policy': 'delete',
  'retention.ms': '1000',
  'min.compaction.lag.ms': '0',
  'message.timestamp.after.max.ms': '9223372036854775807',
};
const differences = (settings: Record<string, string>, partitions = 4): string | undefined =>
  topicDifferences(
    planned,
    { topic: planned.topic, partitions, settings: new Map(Object.entries({ ...fine, ...settings })) },
    'a:1,b:1',
  );

describe('a topic', () => {
  it('is as it must be with the settings asked for, with more than the least, and without limit', () => {
    expect(differences({})).toBeUndefined();
    expect(differences({ 'retention.ms': '1001' })).toBeUndefined();
    expect(differences({ 'retention.ms': '-1' })).toBeUndefined();
  });

  it('is as it must be on a broker that does not know a limit', () => {
    const settings = new Map(Object.entries(fine));
    settings.delete('message.timestamp.after.max.ms');
    expect(topicDifferences(planned, { topic: planned.topic, partitions: 4, settings }, '')).toBeUndefined();
  });

  it.each([
    ['cleanup.policy', 'compact', 'delete:'],
    ['cleanup.policy', 'compact,delete', 'delete:'],
    ['retention.ms', '999', '1000 or more:'],
    ['retention.ms', '0', '1000 or more:'],
    ['min.compaction.lag.ms', '-1', '0 or more:'],
    ['message.timestamp.after.max.ms', '3600000', '9223372036854775807:'],
  ])('differs with %s %s', (setting, is, must) => {
    expect(differences({ [setting]: is })).toContain(`its ${setting} is ${is}, it must be ${must}`);
  });

  it('differs by its partitions, and is never told to add some', () => {
    for (const partitions of [3, 5]) {
      const text = differences({}, partitions)!;
      expect(text).toContain(`it has ${partitions} partitions, it must have 4`);
      expect(text).toContain('kafka-topics --bootstrap-server a:1,b:1 --delete --topic app.p-journal');
      expect(text).not.toContain('--alter');
    }
  });

  it('has all that is wrong in one text, with one command for all settings', () => {
    const text = differences({ 'cleanup.policy': 'compact', 'retention.ms': '5' }, 1)!;
    expect(text.split('\n')).toHaveLength(5);
    expect(text).toMatch(/^topic app\.p-journal \(journal of p\)\n/);
    expect(text).toContain(
      'kafka-configs --bootstrap-server a:1,b:1 --alter --entity-type topics --entity-name app.p-journal ' +
        '--add-config cleanup.policy=delete,retention.ms=1000',
    );
  });
});
