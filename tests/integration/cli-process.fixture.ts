/** Runs the built command line (`dist/cli/main.js`) or a script beside it, as a real process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const dist = new URL('../../dist/', import.meta.url);

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when the text has appeared on stdout or stderr; rejects when the process ends without it. */
  readonly seen: (text: string) => Promise<void>;
  /** What it has written so far, to stdout. */
  readonly output: () => string;
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (exitCode, signal) => {
      resolve({ exitCode, signal, stdout, stderr });
    });
  });
  const seen = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if ((stdout + stderr).includes(text)) resolve();
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      look();
      void ended.then(({ stdout: out, stderr: err }) => {
        reject(new Error(`ended without '${text}': ${out}${err}`));
      });
    });
  return { child, ended, seen, output: () => stdout };
}

/** `weir <args>` */
export function startWeir(args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  return start([fileURLToPath(new URL('cli/main.js', dist)), ...args], env);
}

export function weir(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return startWeir(args, env).ended;
}

/** What a process wrote to stderr besides its progress: lines such as `running report x (5 s)`, every 5 s on a slow machine. */
export function withoutProgress(stderr: string): string {
  return stderr.replaceAll(/^.* \((\d+ min )?\d+ s\)\n/gm, '');
}

/** A module's text that may import from `dist/`, by `$DIST/…`. */
export function startScript(script: string): Started {
  return start(['--input-type=module', '--eval', script.replaceAll('$DIST/', dist.href)], {});
}
