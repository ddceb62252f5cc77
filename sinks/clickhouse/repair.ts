/**
 * Rows that ClickHouse lost although it knows their token: found, and inserted again.
 *
 * A repeated insert was perhaps answered from ClickHouse's memory of its token alone: a server that is killed between noting
 * the token and keeping the part has lost the rows (measured: 6 of 2,224 inserts under SIGKILL).
 *
 * I1  What is missing goes in under a token that follows from what is missing: two owners that repair the same batch, one of them a
 *     zombie, do it once.
 * I2  The views behind the table have had these rows with the repetition, and take them again with the repair, whose token they do not
 *     know. ClickHouse has no way to leave them out, so it is told, and before it is done: who finds it done cannot know.
 * I3  Nothing is repaired on a cluster. A replicated table notes a token in Keeper together with the part that has the rows: some replica
 *     has them, and would bring them beside those of the repair.
 */
import { createHash } from 'node:crypto';
import { Batch } from './batch.ts';
import { SinkError } from './error.ts';
import { tokenOf } from './intent.ts';
import { describeOffsets } from './offset-ranges.ts';
import type { PartitionPorts, Replicas } from './partition-ports.ts';
import { describePromise, readRange, type Promised } from './promised-batch.ts';

/** So long a try that ClickHouse may still be at work on gets to show its rows, and how often that is looked at. */
const ARRIVAL_MS = 3_000;
const ARRIVAL_POLL_MS = 100;

/** A replica that answers has fetched by then what another one has, unless it is far behind. */
const REPLICA_LATE_MS = 60_000;

/** A repair is itself an insert that a kill may undo; rows that go away after so many are taken away by something else. */
const MAX_REPAIRS = 5;

/** Whoever repairs, and how it waits. */
export interface Repairing {
  readonly ports: PartitionPorts;
  readonly promised: Promised;
  readonly pause: (durationMs: number) => Promise<void>;
}

/**
 * Has every row of a batch in the table that was inserted. Rejects with `clickhouse-permanent` when rows stay away, with `stopped` once
 * `stop` aborts.
 */
export async function haveAllRows(batch: Batch, repairing: Repairing, stop: AbortSignal): Promise<void> {
  const { promised, ports } = repairing;
  if (ports.replicas !== undefined) return comeFromReplica(batch, ports.replicas, repairing, stop);
  for (let repairs = 0; !(await isAllThere(batch, repairing, stop)); repairs += 1) {
    if (repairs === MAX_REPAIRS) {
      throw new SinkError(
        'clickhouse-permanent',
        `${describePromise(promised)}: rows are missing from the table however often they are inserted; does a ` +
          'TTL or a mutation remove them?',
      );
    }
    if (repairs === 0) await tellOfViews(batch, repairing, stop);
    await insertMissing(batch, repairs, repairing, stop);
  }
}

/** I3. Waits until a replica that answers has the rows, and tells it again and again: nothing else does. */
async function comeFromReplica(
  batch: Batch,
  replicas: Replicas,
  { ports, promised, pause }: Repairing,
  stop: AbortSignal,
): Promise<void> {
  const place = describePromise(promised);
  const lateAtMs = performance.now() + REPLICA_LATE_MS;
  while (!(await isAllThere(batch, { ports, promised, pause }, stop))) {
    if (stop.aborted) throw new SinkError('stopped', `${place}: stopped`);
    const isGone = performance.now() >= lateAtMs && (await replicas.doAllAnswer(stop));
    const what = isGone ? takenAway(batch, promised) : WITH_A_REPLICA;
    ports.onTrouble(new SinkError('clickhouse-transient', `${place}: ${what}`));
  }
}

const WITH_A_REPLICA =
  'Keeper knows its token, but no replica that answers has its rows: waiting for the one that has';

/** What the batch left out gets its dead letters together with the position after it. */
function takenAway({ rejected }: Batch, { topic, partition, to }: Promised): string {
  const unlettered = describeOffsets(rejected.map(({ record }) => record.offset));
  return (
    'Keeper knows its token, and all replicas answer, but they have not all of its rows: a TTL, an ALTER DELETE or a DROP PARTITION took them away. ' +
    'Put them back, or go on without them, with every weir up stopped: kafka-consumer-groups --bootstrap-server <brokers> ' +
    `--group <app>.clickhouse-sink --topic ${topic}:${partition} --reset-offsets --to-offset ${to} --execute` +
    (unlettered === ''
      ? ''
      : `. That also passes by offsets ${unlettered}, which were set aside as bad and have no dead letter yet: they get it once the rows ` +
        'are back, or when you write these records to the topic again')
  );
}

/** Before it is done: whoever finds the batch repaired cannot know it. */
async function tellOfViews(batch: Batch, { ports, promised }: Repairing, stop: AbortSignal): Promise<void> {
  const { kind } = await ports.judge(batch.from, batch.to, '', stop);
  if (kind === 'no-views') return;
  ports.onTrouble(
    new SinkError(
      'views-in-doubt',
      `${describePromise(promised)}: rows are missing whose token ClickHouse knows: it died before it kept them, or an ALTER DELETE or a TTL took them away; they are inserted again under another token. The ` +
        'table has each once, but targets of its materialized views may have them twice. Compare them with the table over these offsets',
    ),
  );
}

/** Whether every row of the batch is in the table, or arrives soon: an earlier try may still be on its way. */
async function isAllThere(batch: Batch, { ports, pause }: Repairing, stop: AbortSignal): Promise<boolean> {
  const giveUpAtMs = performance.now() + ARRIVAL_MS;
  for (;;) {
    if ((await ports.present(batch.from, batch.to, stop)) >= batch.rows) return true;
    if (stop.aborted || performance.now() >= giveUpAtMs) return false;
    await pause(ARRIVAL_POLL_MS);
  }
}

async function insertMissing(
  batch: Batch,
  repair: number,
  { ports, promised }: Repairing,
  stop: AbortSignal,
): Promise<void> {
  if (stop.aborted) throw new SinkError('stopped', `${describePromise(promised)}: stopped`);
  const leaveOut = new Set(await ports.presentOffsets(batch.from, batch.to, stop));
  for (const { record } of batch.rejected) leaveOut.add(record.offset);
  const missing = new Batch(batch.from, ports.takeEncoder(), ports.incarnation);
  try {
    const offsets = createHash('sha256');
    for (const record of await readRange(promised, ports, stop)) {
      const isLeftOut = leaveOut.has(record.offset);
      missing.restore(record, isLeftOut, ports.readRow);
      if (!isLeftOut) offsets.update(`${record.offset},`);
    }
    const { topic, partition } = promised;
    const own = tokenOf(batch.incarnation, topic, partition, batch.from, batch.to);
    const token = `${own}/missing-${repair}-${offsets.digest('hex').slice(0, 32)}`;
    if (missing.rows === 0) return;
    const outcome = await ports.insert(missing, stop, { token });
    if (outcome.kind !== 'refused' && outcome.kind !== 'too-large') return;
    const why = outcome.kind === 'refused' ? outcome.error.message : 'they are in too many partitions of it';
    throw new SinkError(
      'clickhouse-data',
      `${describePromise(promised)}: rows are missing from the table, which took them before, and now it refuses them: ${why}. ` +
        'Mend what refuses them and start again',
    );
  } finally {
    ports.returnEncoder(missing.encoder);
  }
}
