import { createClient } from '@clickhouse/client';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { xxHash64 } from '#engine/functions/xxhash64.ts';
import { startEmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';

test("xxHash64 is ClickHouse's, for every length up to two of its blocks and beyond ASCII", async () => {
  const texts = [
    ...Array.from({ length: 70 }, (_, length) => 'abcdefghij'.repeat(7).slice(0, length)),
    'größe',
    '設備-7',
  ];
  const directory = await mkdtemp(join(tmpdir(), 'weir-xxhash64-'));
  const server = await startEmbeddedServer({ dataDir: directory });
  const client = createClient({ url: server.url });
  try {
    const answer = await client.query({
      query: 'SELECT toString(xxHash64(text)) AS hash FROM (SELECT arrayJoin({texts:Array(String)}) AS text)',
      query_params: { texts },
      format: 'JSONEachRow',
    });
    const hashes = (await answer.json<{ hash: string }>()).map(({ hash }) => BigInt(hash));
    expect(hashes).toEqual(texts.map(xxHash64));
  } finally {
    await client.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
