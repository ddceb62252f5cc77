/**
 * The Docker engine of this machine, by its command line: whether it is of use here, and what it is told.
 *
 * Brokers share the host's network, so that the addresses which they announce are true for everybody; and their directory,
 * under its own path, as this user. So a data directory is the same whatever runs its brokers. The host's network is there
 * on Linux only, and not with a rootless engine.
 */
import { createHash } from 'node:crypto';
import { brokerArguments, formatArguments } from './broker-command.ts';
import type { RunOptions } from './kafka-runtime.ts';
import type { KafkaNode } from './node-config.ts';
import { lastLines, runProgram } from './run-program.ts';

const answerTimeoutMs = 10_000;
/** Where the official image has Kafka's jars; `java` is on its PATH. */
const libsInImage = '/opt/kafka/libs';

/** The official image (https://hub.docker.com/r/apache/kafka). */
export const imageOf = (version: string): string => `apache/kafka:${version}`;

/** The same for a node's directory each time: what a killed run left behind is found by it. */
export function containerName({ directory, id }: KafkaNode): string {
  return `weir-kafka-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}-${id}`;
}

/** Why the Docker engine cannot run brokers here; undefined when it can. */
export async function dockerObstacle(
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  if (platform !== 'linux')
    return "brokers in containers need the host's network, which Docker has on Linux only";
  const { output, missing } = await runProgram(
    'docker',
    ['info', '--format', '{{.ServerVersion}} {{.SecurityOptions}}'],
    { timeoutMs: answerTimeoutMs },
  );
  if (missing) return 'there is no program "docker"';
  // Older clients end with 0 also when no engine answers.
  if (!/^\d+\.\d+/m.test(output))
    return `the Docker engine does not answer:\n${lastLines(output.replace(/^\s*\[\]\s*$/m, ''), 3)}`;
  return output.includes('name=rootless') ? "a rootless Docker engine has not the host's network" : undefined;
}

function inContainer(node: KafkaNode, version: string, network: string, java: readonly string[]): string[] {
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const mount = `type=bind,source=${node.directory},target=${node.directory}`;
  const place = ['--network', network, '--user', user, '--mount', mount, '--workdir', node.directory];
  const what = ['--entrypoint', 'java', imageOf(version), ...java];
  return ['run', '--rm', '--name', containerName(node), ...place, ...what];
}

/** Arguments of `docker` that run a broker in the foreground, its output to the standard output. */
export function runArguments(node: KafkaNode, version: string, options: RunOptions): string[] {
  return inContainer(node, version, 'host', brokerArguments(libsInImage, node, options));
}

/** Arguments of `docker` that format the data directory of a node. */
export function dockerFormatArguments(node: KafkaNode, version: string, clusterId: string): string[] {
  return inContainer(node, version, 'none', formatArguments(libsInImage, node, clusterId));
}
