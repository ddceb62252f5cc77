/**
 * Brokers as Java virtual machines of this user.
 *
 * I1  A broker that is to end with this process does so however this process ends: a shell waits for the end of a pipe
 *     whose other end only this process has. Both have sessions of their own, so that Ctrl-C reaches this process alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { LocalError } from '../local-error.ts';
import type { BrokerRun, KafkaRuntime, RunOptions } from './kafka-runtime.ts';
import { loggingPath, logPath, propertiesPath } from './kafka-runtime.ts';
import type { KafkaNode } from './node-config.ts';
import { lastLines, runProgram } from './run-program.ts';

const formatTimeoutMs = 60_000;

/** Arguments: the broker's pid, and the directory to remove with it, or nothing. */
const watchScript =
  'read -r _; kill -9 "$1" 2>/dev/null; ' +
  '[ -z "$2" ] || { sleep 0.2; rm -rf "$2"; rmdir "$(dirname "$2")" 2>/dev/null; }';

function watch(pid: number, directory: string | undefined): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', watchScript, 'sh', String(pid), directory ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell there is no watching; the broker runs all the same and is stopped in the ordinary way.
  watcher.once('error', () => {
    watcher.unref();
  });
  watcher.unref();
  return watcher;
}

/** Tiered compilation stops at its first level: brokers here live for seconds, and start a third faster so. */
function arguments_(libs: string, node: KafkaNode, { heapMib }: RunOptions): string[] {
  return [
    `-Xmx${heapMib}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-XX:+ExitOnOutOfMemoryError',
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=${loggingPath(node)}`,
    '-cp',
    `${libs}/*`,
    'kafka.Kafka',
    propertiesPath(node),
  ];
}

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
    async format(node, clusterId) {
      const args = ['-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', `${libs}/*`, 'kafka.tools.StorageTool'];
      args.push('format', '--cluster-id', clusterId, '--config', propertiesPath(node));
      const { exitCode, output } = await runProgram(java, args, { timeoutMs: formatTimeoutMs });
      if (exitCode !== 0)
        throw new LocalError(
          'format',
          `Kafka could not format ${node.directory}/data:\n${lastLines(output, 10)}`,
        );
    },
    async start(node, options) {
      const log = await open(logPath(node), 'a');
      try {
        const child = spawn(java, arguments_(libs, node, options), {
          stdio: ['ignore', log.fd, log.fd],
          detached: true,
        });
        if (child.pid === undefined) {
          const [error] = (await once(child, 'error')) as [Error];
          throw new LocalError('start', `cannot run ${java}: ${error.message}`, { cause: error });
        }
        const directory = options.temporary ? node.directory : undefined;
        const watcher = options.endWithParent ? watch(child.pid, directory) : undefined;
        if (!options.endWithParent) child.unref();
        return runOf(child, child.pid, watcher);
      } finally {
        await log.close();
      }
    },
  };
}
