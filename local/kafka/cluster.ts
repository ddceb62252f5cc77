/**
 * What a data directory of a cluster is: how many nodes, under which id. Written down before the first node is formatted.
 *
 * I1  All nodes of a directory have one cluster id, also when an earlier start was interrupted between them.
 * I2  A node whose formatting was interrupted is formatted anew; one that a broker may have used, never.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../local-error.ts';
import type { KafkaRuntime } from './kafka-runtime.ts';
import type { KafkaNode } from './node-config.ts';

export type NodeCount = 1 | 3;

export interface Cluster {
  readonly id: string;
  readonly nodes: NodeCount;
}

/** 16 random bytes as Kafka writes them; one that begins with "-" would be taken for an option. */
function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

function parse(text: string): Cluster | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { id, nodes } = value as { readonly id?: unknown; readonly nodes?: unknown };
    return typeof id === 'string' && (nodes === 1 || nodes === 3) ? { id, nodes } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * The cluster of a data directory; a new one, of 1 node unless another number is wanted, in an empty directory.
 *
 * @throws LocalError `data-dir-mismatch` when it has another number of nodes than wanted, or does not say
 */
export async function clusterIn(root: string, wanted: NodeCount | undefined): Promise<Cluster> {
  const path = join(root, 'cluster.json');
  if (existsSync(path)) {
    const cluster = parse(await readFile(path, 'utf8'));
    if (cluster === undefined)
      throw new LocalError('data-dir-mismatch', `${path} is damaged: name another data directory`);
    if (wanted !== undefined && wanted !== cluster.nodes)
      throw new LocalError(
        'data-dir-mismatch',
        `${root} holds a Kafka of ${cluster.nodes} broker(s), not ${wanted}: ask for ${cluster.nodes}, or name another data directory`,
      );
    return cluster;
  }
  if (existsSync(join(root, 'node-1', 'data', 'meta.properties')))
    throw new LocalError(
      'data-dir-mismatch',
      `${root} holds data of Kafka, but no cluster.json: name another data directory`,
    );
  const cluster: Cluster = { id: newClusterId(), nodes: wanted ?? 1 };
  await writeFile(`${path}.new`, `${JSON.stringify(cluster)}\n`);
  await rename(`${path}.new`, path);
  return cluster;
}

/** Format a node's data directory if that has not been done. @throws LocalError `format` */
export async function formatOnce(
  runtime: KafkaRuntime,
  node: KafkaNode,
  clusterId: string,
  signal?: AbortSignal,
): Promise<void> {
  const data = join(node.directory, 'data');
  const begun = join(node.directory, 'formatting');
  if (existsSync(begun)) await rm(data, { recursive: true, force: true });
  else if (existsSync(join(data, 'meta.properties'))) return;
  await writeFile(begun, '');
  await runtime.format(node, clusterId, signal);
  await rm(begun);
}
