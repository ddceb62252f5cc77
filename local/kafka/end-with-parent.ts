/**
 * What is to end with this process does so however this process ends: a shell waits for the end of a pipe whose other end
 * only this process has, and then runs its script. It has a session of its own, so that Ctrl-C does not reach it.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * @param script what to do when this process has ended, in the language of /bin/sh, with `args` as `$1`, `$2` ...
 * @returns the shell: to be ended by SIGKILL when there is nothing left to do
 */
export function afterThisProcess(script: string, args: readonly string[]): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', `read -r _; ${script}`, 'sh', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell there is no watching; what it watches runs all the same and is stopped in the ordinary way.
  watcher.once('error', () => {
    watcher.unref();
  });
  watcher.unref();
  return watcher;
}
