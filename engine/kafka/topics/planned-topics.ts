/**
 * The topics that an app needs: its streams, the engine's own, and a changelog and a journal for each processor.
 *
 * I1  A task's changelog and journal have its number as partition, so they have as many partitions as there are tasks.
 * I2  What a replay needs is kept as long as the journal that it follows: events, and each version of a table's rows.
 *     Shorter only for a stream whose rows are to be gone from ClickHouse sooner (`ttlDays`).
 * I3  No broker refuses what a task writes because of its time. A record's Kafka timestamp is its event time, and brokers
 *     refuse by default what is an hour ahead (KIP-1030); the task, which has an opinion on clocks of its own (a dead
 *     letter), could then never commit.
 *
 * Retention counts from event time too: events that are older than it when they are written are soon deleted. Whoever
 * loads history must give those streams a longer retention first.
 */
import { letterTopicBytes } from '../../records/dead-letter.ts';
import { deadLetters, schemas } from '../../records/generated.ts';
import { type App, inputTopics, streamOfOutput, taskCount } from '../../topology/app.ts';
import type { Processor } from '../../topology/processor.ts';
import type { Stream } from '../../topology/stream.ts';
import { changelogTopic, journalTopic } from '../names.ts';
import type { PlannedTopic, Requirement } from './planned-topic.ts';

export interface TopicPlan {
  /**
   * Replicas of each partition; by default three, or as many as there are brokers at that moment: say it where brokers may
   * still be starting.
   */
  readonly replication?: number;
  /** How long streams keep events, by their event time; 7 days by default. -1: for ever. */
  readonly retentionMs?: number;
}

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
/** A record is not compacted away sooner, so that a window can be recorded with the states at its start. */
const changelogLagMs = 600_000;
/** Small segments, since the one that is written to is not compacted: a restore reads all of it. */
const changelogSegmentBytes = 64 << 20;
const noLimit = '9223372036854775807';

/** Where tasks write. */
const anyTime: Requirement = {
  setting: 'message.timestamp.after.max.ms',
  equals: noLimit,
  because:
    'brokers would refuse records whose event time is ahead, and the task that writes them could not commit',
};
const ownTime: Requirement = {
  setting: 'message.timestamp.type',
  equals: 'CreateTime',
  because: 'tasks take records in the order of their event times',
};
const anyLetter: Requirement = {
  setting: 'max.message.bytes',
  atLeast: letterTopicBytes,
  because: 'a task that cannot write the dead letter of a large record could never get past that record',
};
const compacted: Requirement = {
  setting: 'cleanup.policy',
  equals: 'compact',
  because: 'the newest value of each key must never be deleted',
};
const deleted: Requirement = {
  setting: 'cleanup.policy',
  equals: 'delete',
  because: 'every record counts, also an older one of the same key',
};

/** As settings that the topic is created with; for a least value, that value. */
function settingsOf(requirements: readonly Requirement[]): Record<string, string> {
  return Object.fromEntries(
    requirements.map((one) => [one.setting, 'equals' in one ? one.equals : String(one.atLeast)]),
  );
}

function retentionOf({ clickhouse }: Stream<unknown>, retentionMs: number): number {
  const { ttlDays } = clickhouse;
  if (ttlDays === undefined) return retentionMs;
  return retentionMs < 0 ? ttlDays * dayMs : Math.min(retentionMs, ttlDays * dayMs);
}

interface Use {
  readonly isRead: boolean;
  readonly isWritten: boolean;
}

function plannedStream(stream: Stream<unknown>, use: Use, plan: TopicPlan): PlannedTopic {
  const { topic, kind, partitions } = stream;
  const settings =
    kind === 'table'
      ? { 'min.compaction.lag.ms': String(weekMs), 'delete.retention.ms': String(weekMs) }
      : { 'retention.ms': String(retentionOf(stream, plan.retentionMs ?? weekMs)) };
  const requirements = [
    kind === 'table' ? compacted : deleted,
    ...(use.isRead ? [ownTime] : []),
    ...(use.isWritten ? [anyTime] : []),
    ...(topic === deadLetters.topic ? [anyLetter] : []),
  ];
  return {
    topic,
    what: kind,
    partitions,
    settings: { ...settings, ...settingsOf([ownTime, anyTime, ...requirements]) },
    requirements,
  };
}

function plannedChangelog(app: App, processor: Processor): PlannedTopic {
  const requirements: Requirement[] = [
    compacted,
    {
      setting: 'min.compaction.lag.ms',
      atLeast: changelogLagMs,
      because: 'a window could not be recorded with the states at its start',
    },
    {
      setting: 'delete.retention.ms',
      atLeast: weekMs,
      because: 'a process that was away for long would find forgotten keys in its local store again',
    },
    anyTime,
  ];
  return {
    topic: changelogTopic(app.name, processor.name),
    what: `changelog of ${processor.name}`,
    partitions: taskCount(processor),
    settings: { ...settingsOf(requirements), 'segment.bytes': String(changelogSegmentBytes) },
    requirements,
  };
}

function plannedJournal(app: App, processor: Processor): PlannedTopic {
  const because = 'what was processed in that time could not be replayed';
  const requirements: Requirement[] = [
    deleted,
    { setting: 'retention.ms', atLeast: weekMs, because },
    { setting: 'retention.bytes', equals: '-1', because },
    anyTime,
  ];
  return {
    topic: journalTopic(app.name, processor.name),
    what: `journal of ${processor.name}`,
    partitions: taskCount(processor),
    settings: settingsOf(requirements),
    requirements,
  };
}

/**
 * Every topic of an app, each once: its streams, `weir.dead-letters`, `weir.schemas`, changelogs and journals.
 *
 * @param app a valid one (`validApp`)
 */
export function plannedTopics(app: App, plan: TopicPlan = {}): readonly PlannedTopic[] {
  const streams = new Map([deadLetters, schemas, ...app.streams].map((stream) => [stream.topic, stream]));
  const read = new Set(app.processors.flatMap(inputTopics));
  const written = new Set([
    deadLetters.topic,
    schemas.topic,
    ...app.processors.flatMap(({ outputs }) =>
      Object.values(outputs).map((out) => streamOfOutput(out).topic),
    ),
  ]);
  const { replication } = plan;
  const topics = [
    ...[...streams.values()].map((stream) =>
      plannedStream(stream, { isRead: read.has(stream.topic), isWritten: written.has(stream.topic) }, plan),
    ),
    ...app.processors.flatMap((processor) => [
      plannedChangelog(app, processor),
      plannedJournal(app, processor),
    ]),
  ];
  return replication === undefined ? topics : topics.map((topic) => ({ ...topic, replication }));
}
