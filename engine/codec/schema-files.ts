/**
 * Reads `.avsc` files from disk: the events of `schemas/<subsystem>/`, the processor states of its `state/` folder, and
 * the engine's own records in `engine/records/`.
 *
 * I1  A schema handed on stands alone: a name that another file defines is replaced by its definition where it is first
 *     used, so that writer schemas can be announced and read without our files.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AvroObject, AvroSchema } from '#engine/topology/stream.ts';
import { CodecError } from './codec-error.ts';
import { PRIMITIVES, namespaceOf, qualify } from './schema-node.ts';

export interface SchemaFile {
  /** Path from the project's folder, with `/`. */
  readonly path: string;
  /** The folder whose `generated.ts` holds it: `schemas/migration`, `engine/records`. */
  readonly folder: string;
  /** Full name of the record. */
  readonly name: string;
  /** The schema, standing alone. */
  readonly schema: AvroObject;
}

const RECORDS_FOLDER = 'engine/records';
/** Released versions, kept for the compatibility check; not a subsystem. */
export const RELEASED_FOLDER = 'schemas/released';

function foldersOf(root: string): readonly string[] {
  const schemas = join(root, 'schemas');
  const subsystems = existsSync(schemas)
    ? readdirSync(schemas, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `schemas/${entry.name}`)
    : [];
  return [...subsystems, RECORDS_FOLDER].filter(
    (folder) => folder !== RELEASED_FOLDER && existsSync(join(root, folder)),
  );
}

function avscFilesOf(root: string, folder: string): readonly string[] {
  const names = (sub: string): string[] =>
    existsSync(join(root, sub))
      ? readdirSync(join(root, sub))
          .filter((name) => name.endsWith('.avsc'))
          .map((name) => `${sub}/${name}`)
      : [];
  return [...names(folder), ...names(`${folder}/state`)].sort();
}

/** Reads one `.avsc` file. Throws a CodecError naming it if it is unreadable, not JSON, or not a named record. */
export function readSchema(root: string, path: string): AvroObject {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CodecError('invalid-schema', [`${path}: cannot be read as JSON (${reason})`], cause);
  }
  if (typeof json !== 'object' || json === null || (json as { type?: unknown }).type !== 'record') {
    throw new CodecError('invalid-schema', [
      `${path}: must hold one record, {"type": "record", "name": ...}`,
    ]);
  }
  return json as AvroObject;
}

/** Reads every `.avsc` file under a project's folder. Throws one CodecError with the problems of all files. */
export function loadSchemaFiles(root: string): readonly SchemaFile[] {
  const problems: string[] = [];
  const read: { path: string; folder: string; schema: AvroObject }[] = [];
  for (const folder of foldersOf(root)) {
    for (const path of avscFilesOf(root, folder)) {
      try {
        read.push({ path, folder, schema: readSchema(root, path) });
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        problems.push(...error.problems);
      }
    }
  }
  const definitions = new Map<string, Definition>();
  for (const { path, schema } of read) collectDefinitions(schema, '', path, definitions, problems);
  if (problems.length > 0) throw new CodecError('invalid-schema', problems);
  return read.map((file) => ({
    ...file,
    name: fullNameOf(file.schema, ''),
    schema: inline(file.schema, '', new Set(), definitions) as AvroObject,
  }));
}

interface Definition {
  readonly json: AvroObject;
  readonly path: string;
}

function fullNameOf(json: AvroObject, namespace: string): string {
  const own = json['namespace'];
  return qualify(String(json['name']), typeof own === 'string' ? own : namespace);
}

function isNamed(json: AvroObject): boolean {
  return json.type === 'record' || json.type === 'enum' || json.type === 'fixed';
}

function innerTypes(json: AvroObject): readonly unknown[] {
  const fields = Array.isArray(json['fields']) ? (json['fields'] as readonly { type?: unknown }[]) : [];
  return [json['items'], json['values'], ...fields.map((field) => field.type)].filter(
    (type) => type !== undefined,
  );
}

function collectDefinitions(
  schema: unknown,
  namespace: string,
  path: string,
  into: Map<string, Definition>,
  problems: string[],
): void {
  if (Array.isArray(schema)) {
    for (const branch of schema) collectDefinitions(branch, namespace, path, into, problems);
    return;
  }
  if (typeof schema !== 'object' || schema === null) return;
  const json = schema as AvroObject;
  if (typeof json.type !== 'string') collectDefinitions(json.type, namespace, path, into, problems);
  let inner = namespace;
  if (isNamed(json)) {
    const full = fullNameOf(json, namespace);
    inner = namespaceOf(full);
    const other = into.get(full);
    if (other !== undefined && other.path !== path) {
      problems.push(
        `${path}: '${full}' is also defined in ${other.path}; define it once and refer to it by its full name`,
      );
    }
    // A name without its own namespace must keep its meaning when it is moved into another file.
    into.set(full, { json: { ...json, name: full }, path });
  }
  for (const type of innerTypes(json)) collectDefinitions(type, inner, path, into, problems);
}

/** Replaces the first use of each name that this schema does not define before it by the definition elsewhere. */
function inline(
  schema: AvroSchema,
  namespace: string,
  defined: Set<string>,
  definitions: ReadonlyMap<string, Definition>,
): AvroSchema {
  if (typeof schema === 'string') {
    const full = qualify(schema, namespace);
    const known = definitions.get(full);
    const isBuiltIn = (PRIMITIVES as readonly string[]).includes(schema);
    if (isBuiltIn || defined.has(full) || known === undefined) return schema;
    return inline(known.json, '', defined, definitions);
  }
  if (Array.isArray(schema)) {
    return (schema as readonly AvroSchema[]).map((branch) => inline(branch, namespace, defined, definitions));
  }
  const json = schema as AvroObject;
  let inner = namespace;
  if (isNamed(json)) {
    const full = fullNameOf(json, namespace);
    defined.add(full);
    inner = namespaceOf(full);
  }
  const within = (type: unknown): AvroSchema => inline(type as AvroSchema, inner, defined, definitions);
  const fields = json['fields'];
  return {
    ...json,
    ...(isNamed(json) || isKeyword(json.type) ? {} : { type: within(json.type) }),
    ...(json['items'] === undefined ? {} : { items: within(json['items']) }),
    ...(json['values'] === undefined ? {} : { values: within(json['values']) }),
    ...(Array.isArray(fields)
      ? { fields: (fields as readonly AvroObject[]).map((field) => ({ ...field, type: within(field.type) })) }
      : {}),
  };
}

function isKeyword(type: AvroSchema): boolean {
  return type === 'array' || type === 'map' || (PRIMITIVES as readonly unknown[]).includes(type);
}
