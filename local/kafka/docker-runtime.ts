/**
 * Brokers in containers of the official image, of the same version as the pinned artifacts.
 *
 * I1  A broker's run is the program `docker` attached to its container; both have ended when the run has.
 * I2  A container is removed when it ends, and one that a killed run left behind before the next is started.
 * I3  A broker that is to end with this process does so however this process ends (`end-with-parent.ts`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { LocalError } from '../local-error.ts';
import { containerName, dockerFormatArguments, dockerObstacle, imageOf, runArguments } from './docker.ts';
import { afterThisProcess } from './end-with-parent.ts';
import { type BrokerRun, type KafkaRuntime, logPath } from './kafka-runtime.ts';
import { lastLines, type ProgramEnd, runProgram } from './run-program.ts';

const formatTimeoutMs = 60_000;
const downloadTimeoutMs = 10 * 60_000;
const commandTimeoutMs = 20_000;

export interface RuntimeSteps {
  /** Told of what takes long, in words. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal | undefined;
}

const docker = (args: readonly string[], timeoutMs = commandTimeoutMs): Promise<ProgramEnd> =>
  runProgram('docker', args, { timeoutMs });

/** Remove a container, running or not. Nothing happens where there is none. */
export async function removeContainer(name: string): Promise<void> {
  await docker(['rm', '--force', name]);
}

async function pull(version: string, { onStep, signal }: RuntimeSteps): Promise<void> {
  const image = imageOf(version);
  if ((await docker(['image', 'inspect', image])).exitCode === 0) return;
  onStep(`fetching the image ${image}`);
  const { exitCode, output } = await runProgram('docker', ['pull', '--quiet', image], {
    timeoutMs: downloadTimeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();
  if (exitCode !== 0)
    throw new LocalError('download', `docker could not fetch the image ${image}:\n${lastLines(output, 10)}`);
}

function runOf(
  child: ChildProcess,
  pid: number,
  container: string,
  watcher: ChildProcess | undefined,
): BrokerRun {
  let over = false;
  let lastCommand: Promise<unknown> = Promise.resolve();
  const ended = once(child, 'exit').then(async ([exitCode, signal]) => {
    await lastCommand;
    over = true;
    watcher?.kill('SIGKILL');
    return signal === null ? `exit code ${String(exitCode)}` : String(signal);
  });
  return {
    pid,
    container,
    ended,
    hasEnded: () => over,
    signal: (signal) => {
      if (over) return;
      if (signal !== 'SIGKILL') {
        lastCommand = docker(['kill', '--signal', signal, container]);
        return;
      }
      // First the program, which could be about to make the container.
      child.kill('SIGKILL');
      lastCommand = removeContainer(container);
    },
  };
}

/**
 * Brokers run by the Docker engine, from the image of this version, which is fetched if it is not there.
 *
 * @throws LocalError `no-docker` or `download`
 */
export async function dockerRuntime(version: string, steps: RuntimeSteps): Promise<KafkaRuntime> {
  const obstacle = await dockerObstacle();
  if (obstacle !== undefined)
    throw new LocalError('no-docker', `Docker cannot run Kafka here: ${obstacle}\nuse Java instead`);
  await pull(version, steps);
  return {
    name: 'docker',
    async format(node, clusterId, signal) {
      await removeContainer(containerName(node));
      const { exitCode, output } = await docker(
        dockerFormatArguments(node, version, clusterId),
        formatTimeoutMs,
      );
      if (exitCode === null) await removeContainer(containerName(node));
      signal?.throwIfAborted();
      if (exitCode !== 0)
        throw new LocalError(
          'format',
          `Kafka could not format ${node.directory}/data:\n${lastLines(output, 10)}`,
        );
    },
    async start(node, options) {
      const container = containerName(node);
      await removeContainer(container);
      const log = await open(logPath(node), 'a');
      try {
        const child = spawn('docker', runArguments(node, version, options), {
          stdio: ['ignore', log.fd, log.fd],
          detached: true,
        });
        if (child.pid === undefined) {
          const [error] = (await once(child, 'error')) as [Error];
          throw new LocalError('start', `cannot run docker: ${error.message}`, { cause: error });
        }
        const script = 'docker rm --force "$1" >/dev/null 2>&1';
        const watcher = options.endWithParent ? afterThisProcess(script, [container]) : undefined;
        return runOf(child, child.pid, container, watcher);
      } finally {
        await log.close();
      }
    },
  };
}
