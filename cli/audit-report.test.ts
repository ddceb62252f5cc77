import { expect, test } from 'vitest';
import type { TopicAudit } from '#sinks/clickhouse/kafka/audit-topic.ts';
import { auditResult, verdictOf } from './audit-report.ts';

const clean: TopicAudit = {
  ...{ table: 't', topic: 'things', partition: 0, start: 0, position: 10, end: 10 },
  ...{ expected: 9, present: 8, deadLetters: 1, missing: 0, firstMissing: null },
  ...{
    lost: 0,
    firstLost: null,
    duplicates: 0,
    firstDuplicate: null,
    rowsAndLetters: 0,
    firstRowAndLetter: null,
  },
  ...{ lettersTwice: 0, firstLetterTwice: null, unexpected: 0, firstUnexpected: null },
  ...{ compacted: 0, inDoubtTo: null },
};

test('all is clean, and all was looked at', () => {
  const verdict = verdictOf({
    audits: [clean, clean],
    unchecked: [],
    areLettersKnown: true,
    unreadLetters: 0,
  });
  expect(verdict).toEqual({
    isClean: true,
    lines: [
      'audit: clean. 18 records of 2 partitions compared: 16 with a row, 2 with a dead letter, each once',
    ],
  });
});

test('what was not looked at is told though the rest is clean', () => {
  const counts = { start: 1_000, position: 1_010, end: 1_100, compacted: 7, inDoubtTo: 1_020 };
  const audits = [{ ...clean, ...counts }, clean];
  expect(verdictOf({ audits, unchecked: [], areLettersKnown: true, unreadLetters: 0 })).toMatchObject({
    isClean: true,
    lines: [
      expect.stringContaining('audit: clean') as string,
      'not looked at: 1,000 offsets that Kafka does not have any more, in 1 partitions, and rows of these',
      'not looked at: 7 rows of compacted topics whose records Kafka does not have any more, in 1 partitions',
      'not looked at: 90 offsets that the sink has not come to yet, in 1 partitions',
      'not looked at: of these, 10 offsets that are promised and may be on their way, in 1 partitions',
    ],
  });
});

test.each(['missing', 'lost', 'duplicates', 'rowsAndLetters', 'lettersTwice', 'unexpected'] as const)(
  '%s is not clean',
  (count) => {
    const { isClean, lines } = verdictOf({
      audits: [clean, { ...clean, partition: 1, [count]: 3 }],
      unchecked: [],
      areLettersKnown: true,
      unreadLetters: 0,
    });
    expect(isClean).toBe(false);
    expect(lines[1]).toMatch(/^things\/1: 3 /);
  },
);

test('what could not be compared is not clean, and is told once for each topic', () => {
  const gone = { table: 'u', topic: 'others', reason: 'table d.u is not in ClickHouse' };
  const unchecked = [
    { ...gone, partition: 0 },
    { ...gone, partition: 1 },
  ];
  const report = { audits: [clean], unchecked, areLettersKnown: false, unreadLetters: 1_200 };
  const { isClean, lines } = verdictOf(report);
  expect(isClean).toBe(false);
  expect(lines.slice(1)).toEqual([
    'others could not be compared: table d.u is not in ClickHouse (partitions 0, 1)',
    'the table of dead letters is missing: records that became dead letters count as without one',
    expect.stringMatching(/^1,200 offsets of dead letters .* then audit again$/) as string,
  ]);
  const { columns, rows } = auditResult(report);
  expect(rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])))).toMatchObject([
    { topic: 'things', expected: 9 },
    { topic: 'others', partition: 0, table: 'u', expected: null, missing: null },
    { topic: 'others', partition: 1, expected: null },
  ]);
});
