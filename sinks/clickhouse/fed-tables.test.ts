import { expect, test } from 'vitest';
import { fedFrom, keyOf, type KnownTable } from './fed-tables.ts';

const table = (name: string, more: Partial<KnownTable> = {}): KnownTable => ({
  database: 'd',
  name,
  uuid: name,
  engine: 'MergeTree',
  engine_full: '',
  create_table_query: '',
  as_select: '',
  changed_s: 1,
  views: [],
  ...more,
});
const view = (name: string, create_table_query: string): KnownTable =>
  table(name, { engine: 'MaterializedView', create_table_query });

const fedOf = (made: KnownTable, ...others: KnownTable[]): ReturnType<typeof fedFrom> => {
  const start = table('start', { views: [['d', made.name]] });
  const known = [start, made, ...others];
  return fedFrom(keyOf('d', 'start'), new Map(known.map((each) => [keyOf(each.database, each.name), each])));
};

test.each([
  ['v', 'CREATE MATERIALIZED VIEW d.v TO d.plain (`a` UInt8) AS SELECT a FROM d.start', 'plain'],
  ['my view', 'CREATE MATERIALIZED VIEW d.`my view` TO d.plain (`a` UInt8) AS SELECT 1', 'plain'],
  ['v', 'CREATE MATERIALIZED VIEW d.v TO `d`.`my target` AS SELECT 1', 'my target'],
  ['v', 'CREATE MATERIALIZED VIEW d.v TO d.`a\\`b\\\\c\\nd` AS SELECT 1', 'a`b\\c\nd'],
  ['v` TO d.x', 'CREATE MATERIALIZED VIEW d.`v\\` TO d.x` TO d.plain AS SELECT 1', 'plain'],
  ['v', 'CREATE MATERIALIZED VIEW d.v (`a` UInt8) ENGINE = MergeTree AS SELECT 1', '.inner_id.v'],
])('the target of view %j: %s', (name, query, target) => {
  const { tables, feeds, unresolved } = fedOf(view(name, query), table(target), table('x'));
  expect(tables.map((each) => each.name)).toEqual(['start', target]);
  expect(feeds).toHaveLength(1);
  expect(unresolved).toEqual([]);
});

test('a view whose target is not there is named, and so is one that cannot be seen', () => {
  const gone = view('v', 'CREATE MATERIALIZED VIEW d.v TO d.gone AS SELECT 1');
  expect(fedOf(gone)).toMatchObject({ feeds: [], unresolved: ['d.v'] });
  const start = table('start', { views: [['other', 'hidden']] });
  expect(fedFrom(keyOf('d', 'start'), new Map([[keyOf('d', 'start'), start]])).unresolved).toEqual([
    'other.hidden',
  ]);
});
