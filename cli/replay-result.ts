/** Replays as tables: how each task fared, or what other parameters changed. */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { eventToJson } from '#engine/codec/json-event.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { outputChanges, type ReplayedTask } from '#engine/replay/replay-recording.ts';
import type { OutputRecord } from '#engine/task/task-io.ts';
import type { App } from '#engine/topology/app.ts';
import type { Cell, Result } from './present/value.ts';

export function taskResult(tasks: readonly ReplayedTask[]): Result {
  return {
    columns: [
      { name: 'task', kind: 'text' },
      { name: 'steps', kind: 'number' },
      { name: 'crashes', kind: 'number' },
      { name: 'outputs', kind: 'number' },
      { name: 'compared with the recording', kind: 'text' },
    ],
    rows: tasks.map((t) => [t.task, t.steps, t.crashes, t.outputs.length, t.difference ?? 'identical']),
  };
}

/** Outputs that only one of the two has: `-` as recorded, `+` with the other parameters; at most `limit` of them. */
export function changeResult(app: App, tasks: readonly ReplayedTask[], limit: number): Result {
  const codecs = new Map(
    app.streams.map((stream) => [stream.topic, { stream, codec: eventCodec(stream, new WriterSchemas()) }]),
  );
  const shown = (output: OutputRecord): string => {
    const found = codecs.get(output.topic);
    if (found === undefined || output.value === null) return 'deleted';
    return JSON.stringify(eventToJson(found.stream, found.codec.decode(output.value)));
  };
  const rows: { readonly timeMs: number; readonly cells: readonly Cell[] }[] = [];
  for (const task of tasks) {
    const { removed, added } = outputChanges(task.recorded, task.outputs);
    for (const [sign, list] of [
      ['-', removed],
      ['+', added],
    ] as const) {
      for (const output of list) {
        const at = new Date(output.timestampMs).toISOString();
        rows.push({
          timeMs: output.timestampMs,
          cells: [sign, at, output.topic, output.key.toString('utf8'), shown(output)],
        });
      }
    }
  }
  rows.sort((a, b) => a.timeMs - b.timeMs);
  return {
    columns: ['', 'at', 'topic', 'key', 'event'].map((name) => ({
      name: name === '' ? 'change' : name,
      kind: 'text' as const,
    })),
    rows: rows.slice(0, limit).map((row) => row.cells),
  };
}
