/**
 * Brokers as Java virtual machines of this user.
 *
 * I1  A broker that is to end with this process does so however this process ends (`end-with-parent.ts`). It has a session
 *     of its own, so that Ctrl-C reaches this process alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { LocalError } from '../local-error.ts';
import { brokerArguments, formatArguments } from './broker-command.ts';
import { afterThisProcess } from './end-with-parent.ts';
import { type BrokerRun, type KafkaRuntime, logPath } from './kafka-runtime.ts';
import { lastLines, runProgram } from './run-program.ts';

const formatTimeoutMs = 60_000;

/** Arguments: the broker's pid, and the directory to remove with it, or nothing; the last one removes the cluster's. */
const killScript =
  'kill -9 "$1" 2>/dev/null; [ -z "$2" ] || { root="$(dirname "$2")"; ' +
  'sleep 0.2; rm -rf "$2" "$root/cluster.json"; rmdir "$root" 2>/dev/null; }';

function runOf(child: ChildProcess, pid: number, watcher: ChildProcess | undefined): BrokerRun {
  let over = false;
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      over = true;
      watcher?.kill('SIGKILL');
      resolve(signal === null ? `exit code ${String(exitCode)}` : signal);
    });
  });
  return {
    pid,
    ended,
    hasEnded: () => over,
    signal: (signal) => {
      if (!over) child.kill(signal);
    },
  };
}

/** Brokers run by the program `java` from the jars in the directory `libs`. */
export function javaRuntime(java: string, libs: string): KafkaRuntime {
  return {
    name: 'java',
    async format(node, clusterId, signal) {
      const { exitCode, output } = await runProgram(java, formatArguments(libs, node, clusterId), {
        timeoutMs: formatTimeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
      signal?.throwIfAborted();
      if (exitCode !== 0)
        throw new LocalError(
          'format',
          `Kafka could not format ${node.directory}/data:\n${lastLines(output, 10)}`,
        );
    },
    async start(node, options) {
      const log = await open(logPath(node), 'a');
      try {
        const child = spawn(java, brokerArguments(libs, node, options), {
          stdio: ['ignore', log.fd, log.fd],
          detached: true,
        });
        if (child.pid === undefined) {
          const [error] = (await once(child, 'error')) as [Error];
          throw new LocalError('start', `cannot run ${java}: ${error.message}`, { cause: error });
        }
        const directory = options.temporary ? node.directory : '';
        const watcher = options.endWithParent
          ? afterThisProcess(killScript, [String(child.pid), directory])
          : undefined;
        if (!options.endWithParent) child.unref();
        return runOf(child, child.pid, watcher);
      } finally {
        await log.close();
      }
    },
  };
}
