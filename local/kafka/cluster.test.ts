import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterIn, formatOnce } from './cluster.ts';
import type { KafkaRuntime } from './kafka-runtime.ts';

describe('the data directory of a cluster', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'weir-cluster-'));
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
  });

  it('keeps its id and its number of nodes', async () => {
    const first = await clusterIn(root, 3);
    expect(first).toMatchObject({ nodes: 3, id: expect.stringMatching(/^[\w][\w-]{21}$/) as string });
    expect(await clusterIn(root, undefined)).toEqual(first);
    expect(await clusterIn(root, 3)).toEqual(first);
    await expect(clusterIn(root, 1)).rejects.toMatchObject({
      code: 'data-dir-mismatch',
      message: `${root} holds a Kafka of 3 broker(s), not 1: ask for 3, or name another data directory`,
    });
  });

  it('is refused when its description is damaged, or lost beside data', async () => {
    await writeFile(join(root, 'cluster.json'), '{');
    await expect(clusterIn(root, 1)).rejects.toMatchObject({ code: 'data-dir-mismatch' });
    await rm(join(root, 'cluster.json'));
    await mkdir(join(root, 'node-1', 'data'), { recursive: true });
    await writeFile(join(root, 'node-1', 'data', 'meta.properties'), '');
    await expect(clusterIn(root, 1)).rejects.toMatchObject({ code: 'data-dir-mismatch' });
  });

  describe('when a node is formatted', () => {
    const node = { id: 1, host: '127.0.0.1', port: 1, controllerPort: 2, directory: '' };
    /** Writes as Kafka's tool does; `fails` is an interruption after the first file. */
    const runtime = (fails: boolean): KafkaRuntime => ({
      name: 'java',
      async format({ directory }) {
        const data = join(directory, 'data');
        await mkdir(data, { recursive: true });
        await writeFile(join(data, 'meta.properties'), '');
        if (fails) throw new Error('interrupted');
        await writeFile(join(data, 'bootstrap.checkpoint'), '');
      },
      start: () => Promise.reject(new Error('not here')),
    });

    it('is formatted once', async () => {
      const here = { ...node, directory: root };
      await formatOnce(runtime(false), here, 'id');
      await writeFile(join(root, 'data', 'record'), 'kept');
      await formatOnce(runtime(true), here, 'id');
      expect(existsSync(join(root, 'data', 'record'))).toBe(true);
    });

    it('is formatted anew after an interruption, from nothing', async () => {
      const here = { ...node, directory: root };
      await expect(formatOnce(runtime(true), here, 'id')).rejects.toThrow('interrupted');
      await writeFile(join(root, 'data', 'half'), '');
      await formatOnce(runtime(false), here, 'id');
      expect(await readdir(join(root, 'data'))).toEqual(['bootstrap.checkpoint', 'meta.properties']);
    });
  });
});
