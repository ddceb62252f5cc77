import { ClickHouseError } from '@clickhouse/client';
import { expect, test } from 'vitest';
import { noKeeper } from './cluster-check.ts';

const refused = (code: string, message: string): ClickHouseError => new ClickHouseError({ code, message });

test.each([
  ['a statement ON CLUSTER', '139', 'There is no Zookeeper configuration in server config'],
  ['a queue of statements', '139', 'There is no DistributedDDL configuration in server config'],
  ['a replicated table', '225', "Can't create replicated table without ZooKeeper"],
])('%s that is refused for want of a Keeper is told from other refusals', (_, code, message) => {
  expect(noKeeper({ name: 'main' }, refused(code, message))).toMatchObject({
    code: 'cluster-unusable',
    message: expect.stringContaining(`cluster main: this server has no Keeper`) as string,
  });
  expect(noKeeper({ name: 'main' }, refused(code, 'ZooKeeper session has expired'))).toBeUndefined();
});
