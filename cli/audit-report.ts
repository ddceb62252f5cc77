/**
 * What `weir audit` found, as a table and in words.
 *
 * I1  The verdict says what was not looked at, also where all that was is clean.
 */
import { isClean, type TopicAudit } from '#sinks/clickhouse/kafka/audit-topic.ts';
import type { AuditReport, Unchecked } from '#sinks/clickhouse/kafka/audit-topics.ts';
import type { Cell, Result } from './present/value.ts';

const columns: readonly (readonly [name: string, of: (audit: TopicAudit) => Cell])[] = [
  ['topic', ({ topic }) => topic],
  ['partition', ({ partition }) => partition],
  ['table', ({ table }) => table],
  ['from', ({ start }) => start],
  ['to', ({ position }) => position],
  ['expected', ({ expected }) => expected],
  ['rows', ({ present }) => present],
  ['dead_letters', ({ deadLetters }) => deadLetters],
  ['missing', ({ missing }) => missing],
  ['first_missing', ({ firstMissing }) => firstMissing],
  ['lost', ({ lost }) => lost],
  ['first_lost', ({ firstLost }) => firstLost],
  ['duplicates', ({ duplicates }) => duplicates],
  ['first_duplicate', ({ firstDuplicate }) => firstDuplicate],
  ['row_and_letter', ({ rowsAndLetters }) => rowsAndLetters],
  ['first_row_and_letter', ({ firstRowAndLetter }) => firstRowAndLetter],
  ['letters_twice', ({ lettersTwice }) => lettersTwice],
  ['first_letter_twice', ({ firstLetterTwice }) => firstLetterTwice],
  ['unexpected', ({ unexpected }) => unexpected],
  ['first_unexpected', ({ firstUnexpected }) => firstUnexpected],
  ['compacted', ({ compacted }) => compacted],
  ['in_doubt_to', ({ inDoubtTo }) => inDoubtTo],
];

/** A row for each partition; of one that could not be compared the place only. */
export function auditResult({ audits, unchecked }: AuditReport): Result {
  const places = ['topic', 'partition', 'table'];
  return {
    columns: columns.map(([name]) => ({
      name,
      kind: name === 'topic' || name === 'table' ? 'text' : 'number',
    })),
    rows: [
      ...audits.map((audit) => columns.map(([, of]) => of(audit))),
      ...unchecked.map(({ topic, partition, table }) =>
        columns.map(([name]) => [topic, partition, table][places.indexOf(name)] ?? null),
      ),
    ],
  };
}

/** What can be off in a partition, in words. */
const faults: readonly (readonly [
  what: string,
  count: (audit: TopicAudit) => number,
  first: (audit: TopicAudit) => number | null,
])[] = [
  ['records without a row or dead letter', ({ missing }) => missing, ({ firstMissing }) => firstMissing],
  [
    'offsets that Kafka removed before the sink had taken them',
    ({ lost }) => lost,
    ({ firstLost }) => firstLost,
  ],
  ['rows too many', ({ duplicates }) => duplicates, ({ firstDuplicate }) => firstDuplicate],
  [
    'records with a row and a dead letter',
    ({ rowsAndLetters }) => rowsAndLetters,
    ({ firstRowAndLetter }) => firstRowAndLetter,
  ],
  [
    'dead letters too many of the same reader',
    ({ lettersTwice }) => lettersTwice,
    ({ firstLetterTwice }) => firstLetterTwice,
  ],
  ['rows of no record', ({ unexpected }) => unexpected, ({ firstUnexpected }) => firstUnexpected],
];

export interface Verdict {
  readonly isClean: boolean;
  /** The verdict, what is off, what was not looked at: a line each. */
  readonly lines: readonly string[];
}

/** What the audit comes to. Clean is what was compared wholly and has nothing off. */
export function verdictOf(report: AuditReport): Verdict {
  const { audits, unchecked, areLettersKnown, unreadLetters } = report;
  const off = audits.filter((audit) => !isClean(audit)).map(describeFaults);
  const sum = (of: (audit: TopicAudit) => number): string =>
    audits.reduce((all, audit) => all + of(audit), 0).toLocaleString('en-US');
  const compared =
    `${sum(({ expected }) => expected)} records of ${audits.length} partitions compared: ` +
    `${sum(({ present }) => present)} with a row, ${sum(({ deadLetters }) => deadLetters)} with a dead letter`;
  const findings = [...off, ...describeUnchecked(unchecked)];
  return {
    isClean: findings.length === 0,
    lines: [
      findings.length === 0 ? `audit: clean. ${compared}, each once` : `audit: not clean. ${compared}`,
      ...findings,
      ...(areLettersKnown
        ? []
        : ['the table of dead letters is missing: records that became dead letters count as without one']),
      ...(unreadLetters === 0
        ? []
        : [
            `${unreadLetters.toLocaleString('en-US')} offsets of dead letters that are not in their table yet were too many to be read: ` +
              'records of these count as without one; let weir up come to them, then audit again',
          ]),
      ...limitsOf(audits).map((limit) => `not looked at: ${limit}`),
    ],
  };
}

function describeFaults(audit: TopicAudit): string {
  const place = `${audit.topic}/${audit.partition}`;
  const each = faults.flatMap(([what, count, first]) =>
    count(audit) === 0 ? [] : [`${count(audit)} ${what} (first: ${place}/${first(audit) ?? '?'})`],
  );
  return `${place}: ${each.join(', ')}`;
}

/** A line for each reason and topic. */
function describeUnchecked(unchecked: readonly Unchecked[]): readonly string[] {
  const partitions = new Map<string, number[]>();
  for (const { topic, partition, reason } of unchecked) {
    const line = `${topic} could not be compared: ${reason}`;
    partitions.set(line, [...(partitions.get(line) ?? []), partition]);
  }
  return [...partitions].map(([line, of]) => `${line} (partitions ${of.join(', ')})`);
}

function limitsOf(audits: readonly TopicAudit[]): readonly string[] {
  const over = (
    what: (audit: TopicAudit) => number,
    words: (count: string, partitions: number) => string,
  ) => {
    const counts = audits.map(what).filter((count) => count > 0);
    const all = counts.reduce((sum, count) => sum + count, 0).toLocaleString('en-US');
    return counts.length === 0 ? [] : [words(all, counts.length)];
  };
  return [
    ...over(
      ({ start }) => start,
      (count, of) =>
        `${count} offsets that Kafka does not have any more, in ${of} partitions, and rows of these`,
    ),
    ...over(
      ({ compacted }) => compacted,
      (count, of) =>
        `${count} rows of compacted topics whose records Kafka does not have any more, in ${of} partitions`,
    ),
    ...over(
      ({ position, end }) => end - position,
      (count, of) => `${count} offsets that the sink has not come to yet, in ${of} partitions`,
    ),
    ...over(
      ({ position, inDoubtTo }) => (inDoubtTo ?? position) - position,
      (count, of) =>
        `of these, ${count} offsets that are promised and may be on their way, in ${of} partitions`,
    ),
  ];
}
