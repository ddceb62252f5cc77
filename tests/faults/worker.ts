/**
 * A process that runs its share of the folding or the counting app: the thing that fault tests kill, freeze and start.
 *
 * It is compiled into `dist/tests` with the rest (tests/support/tsconfig.json) and started by `Workers`. SIGTERM stops it in
 * order. It prints WorkerMessages; writes to a pipe are synchronous, so what it printed before a SIGKILL arrives.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { EngineError } from '#engine/engine-error.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { loadLibrdkafka } from '#engine/kafka/driver/librdkafka.ts';
import { TransactionalProducer } from '#engine/kafka/driver/transactional-producer.ts';
import { foldingApp } from '../integration/folding.fixture.ts';
import { countingApp } from './counting.fixture.ts';
import {
  type CommitCall,
  commitCalls,
  freezingSignal,
  type WorkerConfig,
  type WorkerMessage,
} from './worker-protocol.ts';

const statusEveryMs = 5;
/** Much longer than anything takes, and shorter than what starts it waits. */
const stopMs = 60_000;

function tell(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function watch(runtime: KafkaRuntime): NodeJS.Timeout {
  let last = '';
  return setInterval(() => {
    const tasks = runtime
      .status()
      .map(({ task, phase, restored, toRestore, commits, counters, commitMs }) => ({
        task,
        phase,
        restored,
        toRestore,
        commits,
        records: counters.records,
        commitMs: commitMs.at(-1) ?? 0,
      }));
    const text = JSON.stringify(tasks.map(({ records, ...rest }) => ({ ...rest, some: records > 0 })));
    if (text === last) return;
    last = text;
    tell({ kind: 'status', atMs: Date.now(), ready: runtime.isReady, tasks });
  }, statusEveryMs);
}

/** So that a test can kill or freeze the process in the middle of one. */
function tellOfCommits(): void {
  const { prototype } = TransactionalProducer;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on its object
  const { commit } = prototype;
  prototype.commit = function (transaction) {
    tell({ kind: 'commit' });
    return commit.call(this, transaction);
  };
}

/** So that a test can have it frozen in the middle of a commit for certain, and hear what became of that. */
function freezeWhenTold(): void {
  const commits = new AsyncLocalStorage<{ isFrozen: boolean }>();
  let next: CommitCall | undefined;
  let freezes = 0;
  process.on(freezingSignal, () => {
    next = commitCalls[freezes++ % commitCalls.length]!;
  });
  const calls = loadLibrdkafka().Producer.prototype as Record<CommitCall, (...args: unknown[]) => unknown>;
  for (const name of commitCalls) {
    const call = calls[name];
    calls[name] = function (...args) {
      const commit = commits.getStore();
      // What it tells must be out before it stands still.
      if (commit !== undefined && next === name && process.stdout.writableLength === 0) {
        next = undefined;
        commit.isFrozen = true;
        tell({ kind: 'frozen', before: name });
        process.kill(process.pid, 'SIGSTOP');
      }
      return call.apply(this, args);
    };
  }
  const { prototype } = TransactionalProducer;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on its object
  const { commit } = prototype;
  prototype.commit = function (transaction) {
    const mark = { isFrozen: false };
    const end = (outcome: string): void => {
      if (mark.isFrozen) tell({ kind: 'outcome', outcome });
    };
    const committed = commits.run(mark, () => commit.call(this, transaction));
    committed.then(
      () => {
        end('committed');
      },
      (error: unknown) => {
        end(error instanceof EngineError ? error.code : describe(error));
      },
    );
    return committed;
  };
}

const { bootstrapServers, app, partitions, kind, tellCommits, ...options } = JSON.parse(
  process.argv[2] ?? '',
) as WorkerConfig;
if (tellCommits === true) tellOfCommits();
freezeWhenTold();
const runtime = await KafkaRuntime.start({
  app: (kind === 'counting' ? countingApp : foldingApp)(app, partitions).app,
  connection: { brokers: bootstrapServers.split(',') },
  writers: new WriterSchemas(),
  ...options,
  onTaskError: (task, error) => {
    tell({ kind: 'failed', task, message: describe(error) });
  },
  onTrouble: (task, { code, message }) => {
    tell({ kind: 'trouble', task, code, message });
  },
});
const watching = watch(runtime);
process.once('SIGTERM', () => {
  void runtime.stop(stopMs).then((inOrder) => {
    clearInterval(watching);
    tell({ kind: 'stopped', inOrder });
    process.exit(0);
  });
});
