import { expect, test } from 'vitest';
import { remedyOf } from './remedy-for-lost.ts';

const place = {
  connection: { brokers: ['broker:9092'] },
  group: 'weir.clickhouse-sink',
  table: { database: 'd', name: 'things' },
  topic: 'weir.things',
  partition: 2,
};
const toOffset = (offset: number): string =>
  `kafka-consumer-groups --bootstrap-server broker:9092 --group weir.clickhouse-sink --topic weir.things:2 --reset-offsets --to-offset ${offset} --execute`;
/** Of offsets 2 to 7 Kafka has those from 5 on. */
const promise = { to: 8, excluded: [], present: new Set([2, 3, 4, 5, 6, 7]), first: 5, left: [5, 6, 7] };

test('a promise whose records that are left all have a row is passed by', () => {
  expect(remedyOf(place, promise)).toBe(`: ${toOffset(8)}`);
  // Offset 6 is a marker.
  expect(remedyOf(place, { ...promise, present: new Set([2, 5, 7]), left: [5, 7] })).toBe(`: ${toOffset(8)}`);
  // All of it is gone, and more.
  expect(remedyOf(place, { ...promise, excluded: [3], first: 9, left: [] })).toBe(`: ${toOffset(9)}`);
});

test('records that are left and have no row are named, and can be taken without doubling those that have', () => {
  expect(remedyOf(place, { ...promise, excluded: [3, 6], present: new Set([2, 4, 7]) })).toBe(
    [
      '. Kafka still has records of the same batch that have no row: offsets 5-6 (of them set aside as bad, without a dead letter yet: 6). One of:',
      'take these: ALTER TABLE `d`.`things` DELETE WHERE ' +
        `_topic = 'weir.things' AND _partition = 2 AND _offset >= 5 AND _offset < 8 SETTINGS mutations_sync = 2; ` +
        `remove what materialized views made of these rows, too; then ${toOffset(5)}`,
      `go on without these, too: ${toOffset(8)}`,
    ].join('\n'),
  );
});

test('no row is removed where none comes after them; on a cluster rows are removed where they are', () => {
  expect(remedyOf(place, { ...promise, excluded: [7], present: new Set([4, 5, 6]) })).toContain(
    `\ntake these: ${toOffset(7)}\n`,
  );
  const table = { ...place.table, cluster: { name: 'c' } };
  expect(remedyOf({ ...place, table }, { ...promise, present: new Set([7]) })).toContain(
    'take these: ALTER TABLE `d`.`things_local` ON CLUSTER `c` DELETE WHERE ',
  );
});
