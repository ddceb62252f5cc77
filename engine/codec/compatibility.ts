/**
 * Compares each schema with all of its released versions, so that no change in `.avsc` files breaks a reader, a writer,
 * a table or a join in the field.
 *
 * I1  Full and transitive: the present schema reads what every released version wrote, and every released version reads
 *     what the present one writes.
 * I2  What a topic promises besides its schema stays: its name, kind, key, time and partitions (joins line up by them),
 *     its table, its sorting key, and the type of each column as ClickHouse has it.
 * I3  Released files are never changed: the check reads them, and a release writes the next number.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AvroObject } from '#engine/topology/stream.ts';
import { CodecError } from './codec-error.ts';
import { columnsOf } from './columns.ts';
import type { Column } from './columns.ts';
import { resolutionProblems } from './resolution.ts';
import { RELEASED_FOLDER, loadSchemaFiles, readSchema } from './schema-files.ts';
import { describe, nullableOf, parseRecord } from './schema-node.ts';
import type { RecordNode } from './schema-node.ts';
import { validateSchemas } from './validate-schema.ts';
import type { ValidSchema } from './validate-schema.ts';
import { streamAttributesOf } from './weir-attributes.ts';
import type { StreamAttributes } from './weir-attributes.ts';

/** A version of a schema that has been released. */
export interface Release {
  readonly version: number;
  readonly schema: AvroObject;
}

/** Every way in which a schema breaks with a released version of it; each names the schema, the field and what to do. */
export function compatibilityProblems(present: AvroObject, release: Release): readonly string[] {
  const now = parseRecord(present);
  const then = parseRecord(release.schema);
  const place = (field: string): string =>
    `${now.name}${field === '' ? '' : `, field '${field}'`} (against release ${release.version})`;
  const backward = resolutionProblems(now, then).map(
    ({ field, problem }) =>
      `${place(field)}: cannot read what was written before: ${problem}. ${BACKWARD_ADVICE}`,
  );
  const forward = resolutionProblems(then, now).map(
    ({ field, problem }) =>
      `${place(field)}: readers of that release cannot read what is written now: ${problem}. ${FORWARD_ADVICE}`,
  );
  const streamNow = attributesOf(present, now);
  const streamThen = attributesOf(release.schema, then);
  const promises =
    streamNow !== undefined && streamThen !== undefined
      ? [...promiseProblems(streamNow, streamThen), ...columnProblems(now, then)]
      : streamThen !== undefined
        ? [{ field: '', problem: `has left topic ${streamThen.topic}; keep its weir attribute` }]
        : [];
  return [...backward, ...forward, ...promises.map(({ field, problem }) => `${place(field)}: ${problem}`)];
}

const BACKWARD_ADVICE = 'Keep the field as it was, or add a new field with a default';
const FORWARD_ADVICE =
  'Keep the field as it was; only fields that had a default may go, and enums need a default symbol to grow';

interface Problem {
  readonly field: string;
  readonly problem: string;
}

function attributesOf(schema: AvroObject, record: RecordNode): StreamAttributes | undefined {
  return streamAttributesOf(schema, record, (problem) => {
    throw new CodecError('invalid-schema', [`${record.name}: ${problem}`]);
  });
}

function promiseProblems(now: StreamAttributes, then: StreamAttributes): readonly Problem[] {
  const promises: readonly (readonly [string, string, unknown, unknown, string])[] = [
    ['', 'weir.topic', now.topic, then.topic, 'readers would find nothing'],
    ['', 'weir.kind', now.kind, then.kind, 'compaction would delete or keep the wrong records'],
    [now.key.field, 'weir.key.field', now.key.field, then.key.field, 'joins and order go by it'],
    [now.key.field, 'weir.key.entity', now.key.entity, then.key.entity, 'joins go by it'],
    [now.time.field, 'weir.time', now.time.field, then.time.field, 'windows and time-outs go by it'],
    [
      '',
      'weir.partitions',
      now.partitions,
      then.partitions,
      'keys would move to other partitions, away from their state',
    ],
    [
      '',
      'weir.clickhouse.table',
      now.clickhouse.table,
      then.clickhouse.table,
      'rows would be split over two tables',
    ],
    [
      '',
      'weir.clickhouse.orderBy',
      now.clickhouse.orderBy.join(', '),
      then.clickhouse.orderBy.join(', '),
      'a sorting key cannot be altered',
    ],
  ];
  return promises
    .filter(([, , is, was]) => is !== was)
    .map(([field, what, is, was, why]) => ({
      field,
      problem: `${what} was ${String(was)} and is ${String(is)}: ${why}. Keep it, or make a new event on a new topic`,
    }));
}

function columnProblems(now: RecordNode, then: RecordNode): readonly Problem[] {
  const before = new Map(columnsOf(then).map((column) => [column.name, typeOfColumn(column)]));
  return columnsOf(now).flatMap((column) => {
    const was = before.get(column.name);
    const is = typeOfColumn(column);
    if (was === undefined || was === is) return [];
    const problem = `its column ${column.name} was ${was} and would be ${is}; a table's types are never changed in place`;
    return [
      { field: column.path.join('.'), problem: `${problem}. Keep it as it was, or add a new field instead` },
    ];
  });
}

/** All that the type of a column follows from: the sink compares it with the table's, and does not start where they differ. */
function typeOfColumn({ field, isNullable }: Column): string {
  const plain = nullableOf(field.type) ?? field.type;
  const attributes = (field.json['clickhouse'] ?? {}) as { readonly lowCardinality?: boolean };
  // An enum's column has low cardinality, whatever the attribute says.
  const low = plain.kind === 'string' && attributes.lowCardinality === true ? 'low-cardinality ' : '';
  // There is no null for an array or a map to be: under a record that is null, they are empty.
  const orNull = isNullable && plain.kind !== 'array' && plain.kind !== 'map' ? 'nullable ' : '';
  return `${orNull}${low}${columnType(plain)}`;
}

/** A type as far as a column shows it: an enum may grow within its column. */
function columnType(type: RecordNode['fields'][number]['type']): string {
  switch (type.kind) {
    case 'enum':
      return 'enum';
    case 'array':
      return `array of ${columnType(type.items)}`;
    case 'map':
      return `map of ${columnType(type.values)}`;
    case 'record':
      return `record of ${type.fields.map((field) => `${field.name} ${columnType(field.type)}`).join(', ')}`;
    case 'union':
      return `nullable ${type.branches
        .filter(({ kind }) => kind !== 'null')
        .map(columnType)
        .join(' or ')}`;
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'fixed':
      return describe(type);
  }
}

/** Released versions of every schema, oldest first, by full name. Throws a CodecError for files that are not what they should be. */
function loadReleases(root: string): ReadonlyMap<string, readonly Release[]> {
  const folder = join(root, RELEASED_FOLDER);
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return new Map(names.map((name) => [name, releasesOf(root, name)]));
}

function releasesOf(root: string, name: string): readonly Release[] {
  return readdirSync(join(root, RELEASED_FOLDER, name))
    .map((file) => {
      const path = `${RELEASED_FOLDER}/${name}/${file}`;
      const version = /^([1-9]\d*)\.avsc$/.exec(file)?.[1];
      if (version === undefined)
        throw new CodecError('invalid-schema', [`${path}: released files are named <number>.avsc`]);
      return { version: Number(version), schema: readSchema(root, path) };
    })
    .sort((a, b) => a.version - b.version);
}

/** Every incompatibility of a project's schemas with their releases. Throws a CodecError for invalid schemas. */
export function checkProject(root: string): readonly string[] {
  return checkReleases(validateSchemas(loadSchemaFiles(root)), loadReleases(root));
}

function checkReleases(
  schemas: readonly ValidSchema[],
  releases: ReadonlyMap<string, readonly Release[]>,
): readonly string[] {
  const present = new Set(schemas.map(({ file }) => file.name));
  const gone = [...releases.keys()].filter((name) => !present.has(name));
  return [
    ...schemas.flatMap(({ file }) =>
      (releases.get(file.name) ?? []).flatMap((release) =>
        compatibilityProblems(file.schema, release).map((problem) => `${file.path}: ${problem}`),
      ),
    ),
    ...gone.map(
      (name) =>
        `${RELEASED_FOLDER}/${name}: no .avsc file defines ${name} any more; what was written stays, so keep the file`,
    ),
  ];
}

/**
 * Writes the next version of each schema that differs from its newest release, and returns the paths written. Throws a
 * CodecError (`incompatible-schema`), and writes nothing, if any schema breaks with a release.
 */
export function releaseProject(root: string): readonly string[] {
  const schemas = validateSchemas(loadSchemaFiles(root));
  const releases = loadReleases(root);
  const problems = checkReleases(schemas, releases);
  if (problems.length > 0) throw new CodecError('incompatible-schema', problems);
  return schemas.flatMap(({ file }) => {
    const newest = releases.get(file.name)?.at(-1);
    if (newest !== undefined && JSON.stringify(newest.schema) === JSON.stringify(file.schema)) return [];
    const path = `${RELEASED_FOLDER}/${file.name}/${(newest?.version ?? 0) + 1}.avsc`;
    mkdirSync(join(root, RELEASED_FOLDER, file.name), { recursive: true });
    writeFileSync(join(root, path), `${JSON.stringify(file.schema, undefined, 2)}\n`, { flag: 'wx' });
    return [path];
  });
}
