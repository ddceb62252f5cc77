/**
 * The stack that runs on a data directory, as others find it: its addresses, how its parts are, its end.
 *
 * I1  Nothing is believed because it is written down: processes are compared by id and start time, servers are asked.
 * I2  `stopStack` is bounded in time and ends exactly the processes of the stack.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { livingBrokers } from '../kafka/local-broker.ts';
import { LocalError } from '../local-error.ts';
import { hasEnded, isRunning, isSame, type ProcessIdentity, signal } from '../process-identity.ts';
import type { ClickHouseState, KafkaState, StackState } from './stack-state.ts';
import { endLeftovers, readState, removeState, stackLogPath } from './state-file.ts';

export interface LocalStack {
  readonly supervisorPid: number;
  readonly kafka: {
    /** `host:port` of every broker, separated by commas. */
    readonly bootstrapServers: string;
    readonly version: string;
    readonly runtime: KafkaState['runtime'];
    readonly brokers: number;
  };
  /** undefined in a stack without ClickHouse. */
  readonly clickhouse:
    | {
        readonly url: string;
        readonly username: string;
        readonly password: string;
        readonly version: string;
      }
    | undefined;
}

export interface PartStatus {
  /** `supervisor`, `kafka-<id>` or `clickhouse`. */
  readonly part: string;
  readonly state: 'running' | 'starting' | 'stopping' | 'not answering' | 'given up';
  readonly address: string | undefined;
  readonly pid: number;
  /** Version, or what is wrong. */
  readonly detail: string;
  readonly logPath: string;
}

const askTimeoutMs = 2_000;
/** A part that was killed is back within this. */
const backTimeoutMs = 15_000;
const pollMs = 200;
/** Kafka's brokers and ClickHouse are given 10 s by their supervisor. */
const stopTimeoutMs = 20_000;

/** Why a server does not answer; undefined when it does. */
async function kafkaObstacle({ brokers }: KafkaState, address: string): Promise<string | undefined> {
  try {
    const living = await livingBrokers(address);
    const missing = brokers.map(({ id }) => id).filter((id) => !living.includes(id));
    return missing.length === 0 ? undefined : `it misses broker ${missing.join(', ')}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function clickHouseObstacle({ url }: ClickHouseState): Promise<string | undefined> {
  try {
    const query = new URL('/?query=SELECT+1', url);
    const response = await fetch(query, { signal: AbortSignal.timeout(askTimeoutMs) });
    const text = (await response.text()).trim();
    return response.ok && text === '1' ? undefined : `it answers ${response.status}: ${text.slice(0, 200)}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** The state of a stack that runs; undefined where none does. */
async function livingState(directory: string): Promise<StackState | undefined> {
  const state = await readState(directory);
  return state !== undefined && isRunning(state.supervisor) ? state : undefined;
}

async function partsOf(directory: string, state: StackState): Promise<PartStatus[]> {
  const { phase, kafka, clickhouse, supervisor } = state;
  const part = async (
    about: Pick<PartStatus, 'part' | 'address' | 'logPath' | 'detail'> & {
      readonly process: ProcessIdentity;
    },
    failure: string | undefined,
    ask: () => Promise<string | undefined>,
  ): Promise<PartStatus> => {
    const { process, ...rest } = about;
    if (failure !== undefined) return { ...rest, pid: process.pid, state: 'given up', detail: failure };
    const obstacle = await ask();
    if (obstacle === undefined) return { ...rest, pid: process.pid, state: 'running' };
    return { ...rest, pid: process.pid, state: 'not answering', detail: obstacle };
  };
  const logPath = stackLogPath(directory);
  const detail = `data in ${directory}`;
  const servers = [
    ...(kafka?.brokers ?? []).map(({ id, address, failure, ...broker }) =>
      part(
        { ...broker, part: `kafka-${id}`, address, detail: `Kafka ${kafka!.version}, ${kafka!.runtime}` },
        failure,
        () => kafkaObstacle(kafka!, address),
      ),
    ),
    ...(clickhouse === undefined
      ? []
      : [
          part(
            {
              part: 'clickhouse',
              address: clickhouse.url,
              process: clickhouse.process,
              detail: `ClickHouse ${clickhouse.version}`,
              logPath,
            },
            clickhouse.failure,
            () => clickHouseObstacle(clickhouse),
          ),
        ]),
  ];
  const own = { part: 'supervisor', state: phase, address: undefined, pid: supervisor.pid, detail, logPath };
  return [...(await Promise.all(servers)), own];
}

/** How every part of the stack on a directory is; empty where none runs. */
export async function stackStatus(directory: string): Promise<readonly PartStatus[]> {
  const state = await livingState(directory);
  return state === undefined ? [] : partsOf(directory, state);
}

/**
 * The stack that runs on a directory, all its servers answering; undefined where none runs. A part that is just being
 * started is waited for.
 *
 * @throws LocalError `not-answering` when it runs, but a part of it does not come to answer
 */
export async function localStack(directory: string): Promise<LocalStack | undefined> {
  const giveUpAtMs = performance.now() + backTimeoutMs;
  for (;;) {
    const state = await livingState(directory);
    if (state === undefined) return undefined;
    const parts = await partsOf(directory, state);
    const open = parts.filter((part) => part.state !== 'running');
    if (open.length === 0 && state.kafka !== undefined) return stackOf(state, state.kafka);
    const hopeless = open.some((part) => part.state === 'given up');
    if (hopeless || performance.now() > giveUpAtMs)
      throw new LocalError(
        'not-answering',
        [
          `Kafka and ClickHouse run on ${directory}, but not all of it answers:`,
          ...open.map(
            ({ part, state: how, detail, logPath }) => `  ${part} is ${how}: ${detail} (${logPath})`,
          ),
          `stop them with "weir local stop --data ${directory}" and start them again`,
        ].join('\n'),
      );
    await sleep(pollMs);
  }
}

function stackOf({ supervisor, clickhouse }: StackState, kafka: KafkaState): LocalStack {
  const { version, runtime, brokers } = kafka;
  const bootstrapServers = brokers.map(({ address }) => address).join(',');
  return {
    supervisorPid: supervisor.pid,
    kafka: { bootstrapServers, version, runtime, brokers: brokers.length },
    clickhouse: clickhouse && {
      url: clickhouse.url,
      username: 'default',
      password: '',
      version: clickhouse.version,
    },
  };
}

/** `killed`: some process did not end in order and in time, or the supervisor had been killed before. */
export type StackStop = 'nothing-runs' | 'stopped' | 'killed';

/** End the stack of a directory, also one whose supervisor is dead. Resolves when none of its processes is left. */
export async function stopStack(directory: string): Promise<StackStop> {
  const state = await readState(directory);
  if (state === undefined) return 'nothing-runs';
  const ranInOrder = isRunning(state.supervisor);
  signal(state.supervisor, 'SIGTERM');
  signal(state.supervisor, 'SIGCONT');
  const inTime = await hasEnded(state.supervisor, stopTimeoutMs);
  if (!inTime) {
    signal(state.supervisor, 'SIGKILL');
    await hasEnded(state.supervisor, stopTimeoutMs);
  }
  // What it had started meanwhile is written down as well. Another supervisor may have the directory since.
  const found = await readState(directory);
  const latest = found !== undefined && isSame(found.supervisor, state.supervisor) ? found : state;
  const parts = [...(latest.kafka?.brokers ?? []), ...(latest.clickhouse ? [latest.clickhouse] : [])];
  // Also where it was about to die by another's SIGKILL when it was looked at.
  const anyLeft = parts.some((part) => isRunning(part.process));
  if (anyLeft || !inTime || !ranInOrder) await endLeftovers(latest);
  await removeState(directory, state);
  if (anyLeft || !inTime) return 'killed';
  return ranInOrder ? 'stopped' : 'nothing-runs';
}
