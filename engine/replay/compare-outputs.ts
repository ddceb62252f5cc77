/** Comparison of outputs, byte for byte. Within a topic the order of a task's outputs to one key must be the same too. */
import type { Headers, HeaderValue } from '../log/log.ts';
import type { OutputRecord } from '../task/task-io.ts';

/** Where two runs of a task differ, in words; undefined when every output is the same to the byte and in the same order. */
export function firstDifference(
  expected: readonly OutputRecord[],
  actual: readonly OutputRecord[],
): string | undefined {
  const byLane = lanes(actual);
  for (const [lane, wanted] of lanes(expected)) {
    const got = byLane.get(lane) ?? [];
    byLane.delete(lane);
    for (let i = 0; i < Math.max(wanted.length, got.length); i += 1) {
      const a = wanted[i];
      const b = got[i];
      if (a === undefined) return `${lane}: output ${i} is new: ${describe(b!)}`;
      if (b === undefined) return `${lane}: output ${i} is missing: ${describe(a)}`;
      if (!sameOutput(a, b)) return `${lane}: output ${i} differs: ${describe(a)} became ${describe(b)}`;
    }
  }
  const [extra] = byLane;
  return extra === undefined ? undefined : `${extra[0]}: output 0 is new: ${describe(extra[1][0]!)}`;
}

/** What an output says, as one string: topic, time, key and value, without its headers. */
export function contentOf({ topic, timestampMs, key, value }: OutputRecord): string {
  return `${topic} ${timestampMs} ${key.length} ${key.toString('latin1')}${value?.toString('latin1') ?? ''}${value === null ? '' : '.'}`;
}

function sameOutput(a: OutputRecord, b: OutputRecord): boolean {
  return (
    a.topic === b.topic &&
    a.timestampMs === b.timestampMs &&
    a.key.equals(b.key) &&
    (a.value === null || b.value === null ? a.value === b.value : a.value.equals(b.value)) &&
    sameHeaders(a.headers, b.headers)
  );
}

/** Outputs by topic and key, which is as far as order is defined on a partitioned log. */
function lanes(outputs: readonly OutputRecord[]): Map<string, OutputRecord[]> {
  const map = new Map<string, OutputRecord[]>();
  for (const output of outputs) {
    const lane = `${output.topic} key ${output.key.toString('utf8')}`;
    const list = map.get(lane);
    if (list === undefined) map.set(lane, [output]);
    else list.push(output);
  }
  return map;
}

function sameHeaders(a: Headers, b: Headers): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const [x, y] = [bytesOf(a[name]), bytesOf(b[name])];
    return x.length === y.length && x.every((value, i) => value.equals(y[i]!));
  });
}

function bytesOf(value: HeaderValue | undefined): Buffer[] {
  if (value === undefined) return [];
  const values = Array.isArray(value) ? (value as readonly (string | Buffer)[]) : [value as string | Buffer];
  return values.map((one) => (typeof one === 'string' ? Buffer.from(one) : one));
}

function describe(output: OutputRecord): string {
  const id = output.headers['ce_id'];
  return `${typeof id === 'string' ? id : id instanceof Buffer ? id.toString() : 'an output'} (${output.value === null ? 'tombstone' : `${output.value.length} bytes`})`;
}
