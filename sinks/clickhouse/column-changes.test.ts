import { expect, test } from 'vitest';
import { columnChanges } from './column-changes.ts';
import { streamWith } from './every-type.fixture.ts';
import { tableOf } from './tables.ts';
import { typeName } from './value-type.ts';

test.each([
  [undefined, ['ALTER TABLE `db`.`test_small` DROP COLUMN `gone`']],
  [
    { name: 'main' },
    [
      'ALTER TABLE `db`.`test_small` ON CLUSTER `main` DROP COLUMN `gone`',
      'ALTER TABLE `db`.`test_small_local` ON CLUSTER `main` DROP COLUMN `gone`',
    ],
  ],
])('a refused column can be dropped by what the message says; on cluster %j', (cluster, statements) => {
  const table = tableOf(streamWith([]), 'db', cluster);
  const own = [...table.columns.fields, ...table.columns.audit];
  const existing = own.map(({ name, type }) => ({ name, type: typeName(type) }));
  const before = { has: () => false, knows: () => true };
  expect(() => columnChanges(table, [...existing, { name: 'gone', type: 'String' }], before)).toThrow(
    `its data may go: ${statements.join('; ')}`,
  );
});
