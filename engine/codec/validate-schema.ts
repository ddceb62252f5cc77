/**
 * Says whether a schema suits Weir: documented, not recursive, and (for events) with a place for each field in a table.
 *
 * I1  What passes here has a TypeScript type and, on a topic, ClickHouse columns. What does not is refused at build
 *     time with the file and the field.
 */
import { avroType } from './avro-type.ts';
import { CodecError } from './codec-error.ts';
import { columnsOf } from './columns.ts';
import { describe, namespaceOf, nullableOf, parseRecord } from './schema-node.ts';
import type { FieldNode, RecordNode, SchemaNode } from './schema-node.ts';
import type { SchemaFile } from './schema-files.ts';
import { streamAttributesOf } from './weir-attributes.ts';
import type { StreamAttributes } from './weir-attributes.ts';

/** A schema file that passed. `stream` is undefined for a plain record. */
export interface ValidSchema {
  readonly file: SchemaFile;
  readonly record: RecordNode;
  readonly stream: StreamAttributes | undefined;
}

/** ClickHouse's widest Decimal has 76 digits. */
const MAX_DECIMAL_DIGITS = 76;
const FIELD_NAME = /^[a-z][a-z0-9_]*$/;
const TYPE_NAME = /^[A-Z][A-Za-z0-9]*$/;

/** Validates schema files together. Throws one CodecError (`invalid-schema`) that lists the problems of all. */
export function validateSchemas(files: readonly SchemaFile[]): readonly ValidSchema[] {
  const problems: string[] = [];
  const valid = files.flatMap((file) => validateOne(file, problems) ?? []);
  const byTopic = new Map<string, string>();
  const byTable = new Map<string, string>();
  for (const { file, stream } of valid) {
    if (stream === undefined) continue;
    claim(byTopic, stream.topic, `topic ${stream.topic}`, file.path, problems);
    claim(byTable, stream.clickhouse.table, `table ${stream.clickhouse.table}`, file.path, problems);
  }
  if (problems.length > 0) throw new CodecError('invalid-schema', problems);
  return valid;
}

function claim(
  owners: Map<string, string>,
  name: string,
  what: string,
  path: string,
  problems: string[],
): void {
  const owner = owners.get(name);
  if (owner !== undefined) problems.push(`${path}: ${what} already belongs to ${owner}`);
  owners.set(name, path);
}

function validateOne(file: SchemaFile, problems: string[]): ValidSchema | undefined {
  const report = (problem: string): void => {
    problems.push(`${file.path}: ${problem}`);
  };
  let record: RecordNode;
  try {
    record = parseRecord(file.schema);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    error.problems.forEach(report);
    return undefined;
  }
  const before = problems.length;
  checkNames(file, record, report);
  const cycle = recursionOf(record, []);
  if (cycle !== undefined) {
    report(
      `field '${cycle}': holds a record that it is part of; recursive records have no columns and no bounded size`,
    );
    return undefined;
  }
  const stream = streamAttributesOf(file.schema, record, report);
  checkRecord(record, '', { report, onTopic: stream !== undefined });
  if (problems.length === before && stream !== undefined) checkColumns(record, report);
  if (problems.length === before) checkDefaults(file, report);
  return problems.length === before ? { file, record, stream } : undefined;
}

function checkNames(file: SchemaFile, record: RecordNode, report: (problem: string) => void): void {
  const namespace = namespaceOf(record.name);
  const short = record.name.slice(record.name.lastIndexOf('.') + 1);
  if (namespace !== 'weir' && !namespace.startsWith('weir.'))
    report(`namespace must begin with weir, is '${namespace}'`);
  const fileName = file.path.slice(file.path.lastIndexOf('/') + 1, -'.avsc'.length);
  if (fileName.replaceAll('-', '') !== short.toLowerCase()) {
    report(`the file of ${short} must bear its name in kebab-case, but is ${fileName}.avsc`);
  }
}

interface Checking {
  readonly report: (problem: string) => void;
  /** Whether the record becomes a table, and so must have columns. */
  readonly onTopic: boolean;
}

/** The path of the first field whose type is a record that it lies in; undefined if there is none. */
function recursionOf(type: SchemaNode, within: readonly RecordNode[]): string | undefined {
  switch (type.kind) {
    case 'record': {
      if (within.includes(type)) return '';
      for (const field of type.fields) {
        const rest = recursionOf(field.type, [...within, type]);
        if (rest !== undefined) return rest === '' ? field.name : `${field.name}.${rest}`;
      }
      return undefined;
    }
    case 'array':
      return recursionOf(type.items, within);
    case 'map':
      return recursionOf(type.values, within);
    case 'union':
      return type.branches.map((branch) => recursionOf(branch, within)).find((path) => path !== undefined);
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'enum':
    case 'fixed':
      return undefined;
  }
}

function checkRecord(record: RecordNode, path: string, checking: Checking): void {
  const place = path === '' ? record.name : `field '${path}' (${record.name})`;
  const short = record.name.slice(record.name.lastIndexOf('.') + 1);
  if (!TYPE_NAME.test(short))
    checking.report(`${place}: a record's name must be in PascalCase, is '${short}'`);
  if (record.doc === undefined || record.doc.trim() === '') checking.report(`${place}: needs a doc`);
  if (record.fields.length === 0) checking.report(`${place}: needs at least one field`);
  for (const field of record.fields) {
    const inner = path === '' ? field.name : `${path}.${field.name}`;
    checkField(field, inner, checking);
    checkType(field.type, inner, checking);
  }
}

function checkField(field: FieldNode, path: string, { report }: Checking): void {
  if (!FIELD_NAME.test(field.name)) report(`field '${path}': a field's name must be in snake_case`);
  if (field.doc === undefined || field.doc.trim() === '')
    report(`field '${path}': needs a doc, with its unit if it has one`);
  const clickhouse = field.json['clickhouse'];
  if (clickhouse === undefined) return;
  if (typeof clickhouse !== 'object' || clickhouse === null) {
    report(`field '${path}': clickhouse must be an object`);
    return;
  }
  for (const [name, value] of Object.entries(clickhouse)) {
    if (name === 'lowCardinality') {
      const type = nullableOf(field.type) ?? field.type;
      if (typeof value !== 'boolean')
        report(`field '${path}': clickhouse.lowCardinality must be true or false`);
      if (type.kind !== 'string' && type.kind !== 'enum') {
        report(`field '${path}': clickhouse.lowCardinality is for strings and enums`);
      }
    } else if (name === 'codec') {
      if (typeof value !== 'string')
        report(`field '${path}': clickhouse.codec must be text such as "Delta, ZSTD(1)"`);
    } else {
      report(`field '${path}': clickhouse does not know '${name}'; it takes lowCardinality, codec`);
    }
  }
}

function checkType(type: SchemaNode, path: string, checking: Checking): void {
  const { report } = checking;
  switch (type.kind) {
    case 'record':
      checkRecord(type, path, checking);
      return;
    case 'array':
      checkType(type.items, `${path}[]`, checking);
      return;
    case 'map':
      checkType(type.values, `${path}{}`, checking);
      return;
    case 'union':
      checkUnion(type, path, checking);
      return;
    case 'null':
      report(`field '${path}': null alone holds nothing; use ["null", <type>]`);
      return;
    case 'enum':
      if (type.doc === undefined || type.doc.trim() === '')
        report(`field '${path}': ${type.name} needs a doc`);
      return;
    case 'fixed':
    case 'bytes':
    case 'string':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'boolean':
      if (type.logical?.name === 'unsupported') {
        report(
          `field '${path}': logical type ${type.logical.written} is not supported; there are timestamp-millis and ` +
            'timestamp-micros on long, date on int, uuid on string, decimal on bytes or fixed',
        );
      }
      if (type.logical?.name === 'decimal' && type.logical.precision > MAX_DECIMAL_DIGITS) {
        report(
          `field '${path}': a decimal has at most ${MAX_DECIMAL_DIGITS} digits, this one ${type.logical.precision}`,
        );
      }
  }
}

function checkUnion(type: SchemaNode, path: string, checking: Checking): void {
  const { report } = checking;
  const inner = nullableOf(type);
  if (inner === undefined) {
    report(`field '${path}': a union must be of null and one type, is ${describe(type)}`);
    return;
  }
  checkType(inner, path, checking);
  if (!checking.onTopic) return;
  if (inner.kind === 'array' || inner.kind === 'map') {
    report(`field '${path}': ClickHouse has no nullable ${inner.kind}; use an empty ${inner.kind} for none`);
  }
  if (inner.kind === 'record' && /[[{]/.test(path)) {
    report(
      `field '${path}': ClickHouse has no nullable tuple inside an array or map; make the record's fields nullable`,
    );
  }
}

function checkColumns(record: RecordNode, report: (problem: string) => void): void {
  const fields = new Map<string, string>();
  for (const column of columnsOf(record)) {
    const path = column.path.join('.');
    const other = fields.get(column.name);
    if (other !== undefined) report(`field '${path}': its column ${column.name} is that of '${other}' too`);
    fields.set(column.name, path);
  }
}

/** avsc checks each default against its field's type when it builds the record. */
function checkDefaults(file: SchemaFile, report: (problem: string) => void): void {
  try {
    avroType(file.schema);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    error.problems.forEach(report);
  }
}
