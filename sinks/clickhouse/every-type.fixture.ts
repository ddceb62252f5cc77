/** A stream whose schema has every type that a column can have, for tests of columns, DDL and tables. */
import type { AvroSchema, Stream } from '#engine/topology/stream.ts';

const State = { type: 'enum', name: 'State', symbols: ['UP', 'DOWN'] } as const;

/** Values as the codec decodes them. */
export interface EveryType {
  readonly id: string;
  readonly at: number;
  readonly [field: string]: unknown;
}

export const everyType: Stream<EveryType> = {
  name: 'weir.test.EveryType',
  topic: 'test.every-types',
  kind: 'stream',
  key: { field: 'id', entity: 'thing' },
  time: { field: 'at', unit: 'millis' },
  partitions: 2,
  clickhouse: { table: 'test_every_types', orderBy: ['site', 'id', 'at'], ttlDays: 30_000 },
  schema: {
    type: 'record',
    name: 'EveryType',
    namespace: 'weir.test',
    doc: "Every type there is; it's for tests.",
    fields: [
      { name: 'id', type: 'string', doc: "The thing's \\ name." },
      {
        name: 'at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When.',
        clickhouse: { codec: 'DoubleDelta, ZSTD(1)' },
      },
      { name: 'site', type: 'string', default: 'main', clickhouse: { lowCardinality: true } },
      { name: 'note', type: ['null', 'string'], default: null, clickhouse: { lowCardinality: true } },
      { name: 'state', type: State, default: 'DOWN' },
      { name: 'small', type: ['null', 'int'], default: null },
      { name: 'zero_not_null', type: ['int', 'null'], default: 0 },
      { name: 'large', type: 'long', default: -1 },
      { name: 'ratio', type: 'float', default: 0.5 },
      { name: 'rate', type: 'double', default: 0 },
      { name: 'on', type: 'boolean', default: true },
      { name: 'raw', type: 'bytes' },
      { name: 'digest', type: { type: 'fixed', name: 'Digest', size: 4 } },
      { name: 'exact_at', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }], default: null },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
      { name: 'uid', type: { type: 'string', logicalType: 'uuid' } },
      { name: 'day', type: { type: 'int', logicalType: 'date' } },
      { name: 'tags', type: { type: 'array', items: 'string' }, default: [] },
      { name: 'counts', type: { type: 'map', values: 'long' }, default: {} },
      { name: 'states', type: { type: 'array', items: ['null', 'State'] }, default: [] },
      {
        name: 'place',
        type: {
          type: 'record',
          name: 'Place',
          fields: [
            { name: 'rack', type: 'string' },
            { name: 'unit', type: ['null', 'int'], default: null },
          ],
        },
      },
      {
        name: 'peer',
        type: [
          'null',
          {
            type: 'record',
            name: 'Peer',
            fields: [
              { name: 'host', type: 'string', clickhouse: { lowCardinality: true } },
              { name: 'ports', type: { type: 'array', items: 'int' } },
              { name: 'place', type: 'Place' },
            ],
          },
        ],
        default: null,
      },
      {
        name: 'uplink',
        type: [
          'null',
          {
            type: 'record',
            name: 'Uplink',
            // First what has no nullable column.
            fields: [
              { name: 'vlans', type: { type: 'array', items: 'int' } },
              { name: 'limits', type: { type: 'map', values: 'long' } },
              { name: 'host', type: 'string' },
            ],
          },
        ],
        default: null,
      },
      {
        name: 'steps',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'Step',
            fields: [
              { name: 'name', type: 'State' },
              { name: 'ms', type: ['null', 'double'] },
            ],
          },
        },
        default: [],
      },
    ],
  },
};

/** The `i`-th event: every field follows from `i`, nulls and empties among them. */
export function everyTypeEvent(i: number, atMs = 1_700_000_000_000): EveryType {
  return {
    id: `thing ${i % 7}`,
    at: atMs + i,
    site: i % 5 === 0 ? '' : `site ${i % 5}`,
    note: i % 3 === 0 ? null : i % 3 === 1 ? '' : `ノート ${i % 11}`,
    state: i % 2 === 0 ? 'UP' : 'DOWN',
    small: i % 2 === 0 ? null : -i,
    zero_not_null: i,
    large: i * 2 ** 33,
    ratio: i / 2,
    rate: i / 3,
    on: i % 2 === 0,
    raw: Buffer.from([0, 255, i % 256]),
    digest: Buffer.from([1, 2, 3, i % 256]),
    exact_at: i % 2 === 0 ? null : (atMs + i) * 1000 + 1,
    price: `${i}.25`,
    uid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
    day: i % 20_000,
    tags: Array.from({ length: i % 4 }, (_, n) => `tag ${n}`),
    counts: i % 2 === 0 ? {} : { a: i, ä: -i },
    states: i % 2 === 0 ? [] : ['UP', null],
    place: { rack: `r${i % 10}`, unit: i % 2 === 0 ? null : i },
    peer: i % 2 === 0 ? null : { host: `h${i % 3}`, ports: [i, i + 1], place: { rack: 'x', unit: null } },
    uplink: i % 3 === 0 ? null : { vlans: [i, 1], limits: { mbps: i }, host: `u${i % 3}` },
    steps:
      i % 2 === 0
        ? []
        : [
            { name: 'UP', ms: null },
            { name: 'DOWN', ms: i },
          ],
  };
}

/** A stream with the given fields after `id` and `at`. */
export function streamWith(
  fields: readonly {
    readonly name: string;
    readonly type: AvroSchema;
    readonly [attribute: string]: unknown;
  }[],
  changes: Partial<Stream<unknown>> = {},
): Stream<unknown> {
  return {
    ...everyType,
    clickhouse: { table: 'test_small', orderBy: ['id', 'at'] },
    schema: {
      type: 'record',
      name: 'Small',
      namespace: 'weir.test',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
        ...fields,
      ],
    },
    name: 'weir.test.Small',
    topic: 'test.smalls',
    ...changes,
  };
}
