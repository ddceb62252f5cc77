/**
 * Starts a local stack that goes on after this process has ended.
 *
 * I1  When it rejects, also because its signal was aborted, nothing of the stack is left running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { systemClock } from '#engine/log/clock.ts';
import { type LocalStack, localStack } from '#local/stack/local-stack.ts';
import { stackLogPath } from '#local/stack/state-file.ts';
import { CliError, type CliErrorCode } from '../cli-error.ts';
import { exitCodes, type ExitCode } from '../exit-code.ts';
import { mainPath } from '../main-path.ts';
import { accepted, type FromSupervisor, readFromSupervisor } from './protocol.ts';
import { type LocalStackConfig, optionsOf } from './stack-config.ts';

export interface StartSteps {
  /** Told of what takes long, in words, as it begins. */
  readonly onStep: (step: string) => void;
  /** Undoes the start. */
  readonly signal: AbortSignal;
}

/** After an abort: above the supervisor's own limit. */
const undoMs = 12_000;

async function openLog(dataDir: string): Promise<FileHandle> {
  try {
    await mkdir(dataDir, { recursive: true });
    return await open(stackLogPath(dataDir), 'a');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('environment', `cannot use the data directory ${dataDir}: ${reason}`, {
      remedies: ['give one that can be written: --data <directory>'],
      cause: error,
    });
  }
}

async function launch(config: LocalStackConfig): Promise<ChildProcess> {
  const log = await openLog(config.dataDir);
  try {
    return spawn(process.execPath, [mainPath(), 'local', 'supervise', ...optionsOf(config)], {
      detached: true,
      cwd: config.dataDir,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
  } finally {
    await log.close();
  }
}

function codeOf(exitCode: ExitCode): CliErrorCode {
  const named = Object.entries(exitCodes).find(([name, code]) => code === exitCode && name !== 'ok');
  return (named?.[0] ?? 'failure') as CliErrorCode;
}

/** Resolves when the supervisor says that all servers answer. */
async function ready(
  child: ChildProcess,
  { dataDir }: LocalStackConfig,
  onStep: StartSteps['onStep'],
): Promise<void> {
  const ended = once(child, 'exit');
  const told = new Promise<FromSupervisor>((resolve) => {
    child.on('message', (raw) => {
      const message = readFromSupervisor(raw);
      if (message?.type === 'step') onStep(message.step);
      else if (message !== undefined) resolve(message);
    });
  });
  const first = await Promise.race([told, ended.then(() => undefined)]);
  if (first?.type === 'ready') return;
  await ended;
  if (first?.type === 'failed')
    throw new CliError(codeOf(first.exitCode), first.message, { remedies: first.remedies });
  const how = child.signalCode ?? `exit code ${String(child.exitCode)}`;
  throw new CliError('failure', `the process that starts Kafka and ClickHouse was ended by ${how}`, {
    remedies: [`see ${stackLogPath(dataDir)}`],
  });
}

/** The supervisor undoes the start when its channel ends; one that does not is killed with all that it has started. */
async function undo(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  if (child.connected) child.disconnect();
  const inTime = await Promise.race([ended.then(() => true), systemClock.sleep(undoMs).then(() => false)]);
  if (inTime) return;
  process.kill(-child.pid!, 'SIGKILL');
  await ended;
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw interrupted();
}

const interrupted = (): CliError => new CliError('interrupted', 'interrupted; nothing is left running');

/**
 * Start Kafka and ClickHouse on a directory on which nothing runs.
 *
 * @throws CliError that says what is wrong and what to do
 */
export async function startLocalStack(
  config: LocalStackConfig,
  { onStep, signal }: StartSteps,
): Promise<LocalStack> {
  const child = await launch(config);
  try {
    await Promise.race([ready(child, config, onStep), aborted(signal)]);
    const stack = await localStack(config.dataDir);
    if (signal.aborted) throw interrupted();
    if (stack === undefined)
      throw new CliError('failure', `Kafka and ClickHouse ended right after their start`, {
        remedies: [`see ${stackLogPath(config.dataDir)}`],
      });
    await new Promise((resolve) => child.send(accepted, resolve));
    child.disconnect();
    child.unref();
    return stack;
  } catch (error) {
    await undo(child);
    throw error;
  }
}
