/**
 * A schema as a tree of nodes, names resolved: what the generator, the checks, the canonical form and the JSON
 * converter walk, so that only this file knows the many ways of writing one schema.
 *
 * I1  Every name in the tree is a full name; a reference and its definition are the same node.
 * I2  A schema that parses is well-formed Avro 1.12 (names, unions, defaults of enums); whether it suits Weir's tables
 *     is for validate-schema.ts to say.
 * Source: https://avro.apache.org/docs/1.12.0/specification/
 */
import type { AvroObject, AvroSchema } from '#engine/topology/stream.ts';
import { CodecError } from './codec-error.ts';

export const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
export type PrimitiveKind = (typeof PRIMITIVES)[number];

/** A logical type that the codec knows. Others are read as their underlying type, as the specification has it. */
export type Logical =
  | { readonly name: 'timestamp-millis' | 'timestamp-micros' | 'date' | 'uuid' }
  | { readonly name: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly name: 'unsupported'; readonly written: string };

interface PrimitiveNode {
  readonly kind: PrimitiveKind;
  readonly logical: Logical | undefined;
}
interface NamedNode {
  /** Full name. */
  readonly name: string;
  /** Full names. */
  readonly aliases: readonly string[];
  readonly doc: string | undefined;
}
export interface FixedNode extends NamedNode {
  readonly kind: 'fixed';
  readonly size: number;
  readonly logical: Logical | undefined;
}
export interface EnumNode extends NamedNode {
  readonly kind: 'enum';
  readonly symbols: readonly string[];
  readonly default: string | undefined;
}
export interface FieldNode {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly doc: string | undefined;
  readonly type: SchemaNode;
  /** The default in Avro's JSON form; undefined if there is none. */
  readonly default: unknown;
  /** The field's JSON, for custom attributes. */
  readonly json: Readonly<Record<string, unknown>>;
}
export interface RecordNode extends NamedNode {
  readonly kind: 'record';
  readonly fields: readonly FieldNode[];
}
interface ArrayNode {
  readonly kind: 'array';
  readonly items: SchemaNode;
}
interface MapNode {
  readonly kind: 'map';
  readonly values: SchemaNode;
}
interface UnionNode {
  readonly kind: 'union';
  readonly branches: readonly SchemaNode[];
}
export type SchemaNode = PrimitiveNode | FixedNode | EnumNode | RecordNode | ArrayNode | MapNode | UnionNode;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FULL_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

interface Scope {
  readonly namespace: string;
  /** Where we are, for messages: `LinkState.host`. */
  readonly place: string;
  readonly named: Map<string, SchemaNode>;
}

/** Parses a schema. Throws a CodecError (`invalid-schema`) that names the place. */
export function parseSchema(schema: AvroSchema): SchemaNode {
  return parse(schema, { namespace: '', place: '', named: new Map() });
}

/** Parses a schema that must be a record. */
export function parseRecord(schema: AvroSchema): RecordNode {
  const node = parseSchema(schema);
  if (node.kind !== 'record') fail({ place: '' }, `must be a record, is ${describe(node)}`);
  return node;
}

function fail(scope: { place: string }, problem: string): never {
  throw new CodecError('invalid-schema', [`${scope.place === '' ? 'schema' : scope.place}: ${problem}`]);
}

function parse(schema: unknown, scope: Scope): SchemaNode {
  if (typeof schema === 'string') return parseName(schema, scope);
  if (Array.isArray(schema)) return parseUnion(schema, scope);
  if (typeof schema !== 'object' || schema === null) {
    return fail(scope, `a type must be a name, a union or an object, is ${JSON.stringify(schema)}`);
  }
  return parseObject(schema as AvroObject, scope);
}

function isPrimitive(name: string): name is PrimitiveKind {
  return (PRIMITIVES as readonly string[]).includes(name);
}

const BARE = new Map<string, PrimitiveNode>(PRIMITIVES.map((kind) => [kind, { kind, logical: undefined }]));

function parseName(name: string, scope: Scope): SchemaNode {
  const bare = BARE.get(name);
  if (bare !== undefined) return bare;
  const full = qualify(name, scope.namespace);
  return (
    scope.named.get(full) ??
    fail(scope, `type '${full}' is not defined before this place; define it or check its namespace`)
  );
}

/** A name with its namespace; names that hold a dot, and names outside any namespace, stand as they are. */
export function qualify(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name.replace(/^\./, '') : `${namespace}.${name}`;
}

/** The namespace of a full name; '' for none. */
export function namespaceOf(full: string): string {
  return full.slice(0, Math.max(0, full.lastIndexOf('.')));
}

function parseUnion(branches: readonly unknown[], scope: Scope): UnionNode {
  const nodes = branches.map((branch) => parse(branch, scope));
  const seen = new Set<string>();
  for (const node of nodes) {
    if (node.kind === 'union') fail(scope, 'a union may not hold a union');
    const id = 'name' in node ? node.name : node.kind;
    if (seen.has(id)) fail(scope, `the union holds '${id}' twice`);
    seen.add(id);
  }
  return { kind: 'union', branches: nodes };
}

function parseObject(json: AvroObject, scope: Scope): SchemaNode {
  const { type } = json;
  if (typeof type !== 'string') return parse(type, scope);
  if (isPrimitive(type)) return { kind: type, logical: parseLogical(json, scope) };
  switch (type) {
    case 'array':
      return { kind: 'array', items: parse(json['items'], { ...scope, place: `${scope.place}[]` }) };
    case 'map':
      return { kind: 'map', values: parse(json['values'], { ...scope, place: `${scope.place}{}` }) };
    case 'record':
    case 'error':
      return parseRecordType(json, scope);
    case 'enum':
      return parseEnum(json, scope);
    case 'fixed':
      return parseFixed(json, scope);
    default:
      return parseName(type, scope);
  }
}

function parseLogical(json: AvroObject, scope: Scope): Logical | undefined {
  const name = json['logicalType'];
  const under = json.type;
  if (name === undefined) return undefined;
  if ((name === 'timestamp-millis' || name === 'timestamp-micros') && under === 'long') return { name };
  if (name === 'date' && under === 'int') return { name };
  if (name === 'uuid' && under === 'string') return { name };
  if (name === 'decimal' && (under === 'bytes' || under === 'fixed')) return parseDecimal(json, scope);
  return { name: 'unsupported', written: `${JSON.stringify(name)} on ${JSON.stringify(under)}` };
}

function parseDecimal(json: AvroObject, scope: Scope): Logical {
  const precision = json['precision'];
  const scale = json['scale'] ?? 0;
  if (typeof precision !== 'number' || !Number.isInteger(precision) || precision < 1) {
    fail(scope, `a decimal needs a precision of at least 1, has ${JSON.stringify(precision)}`);
  }
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > precision) {
    fail(
      scope,
      `a decimal's scale must be from 0 to its precision ${precision}, is ${JSON.stringify(scale)}`,
    );
  }
  const size = json['size'];
  if (typeof size === 'number' && precision > Math.floor(Math.log10(2) * (8 * size - 1))) {
    fail(scope, `a decimal of ${precision} digits does not fit ${size} bytes`);
  }
  return { name: 'decimal', precision, scale };
}

interface Naming {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly doc: string | undefined;
}

function parseNaming(json: AvroObject, scope: Scope): Naming {
  const { name, namespace, aliases = [], doc } = json;
  if (typeof name !== 'string' || !FULL_NAME.test(name))
    fail(scope, `${JSON.stringify(name)} is not an Avro name`);
  const outer = typeof namespace === 'string' ? namespace : scope.namespace;
  const full = qualify(name, outer);
  if (scope.named.has(full)) fail(scope, `'${full}' is defined twice; refer to it by name the second time`);
  const inner = namespaceOf(full);
  return {
    name: full,
    aliases: strings(aliases, scope, 'aliases').map((alias) => qualify(alias, inner)),
    doc: typeof doc === 'string' ? doc : undefined,
  };
}

function strings(value: unknown, scope: Scope, what: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    return fail(scope, `${what} must be an array of strings`);
  }
  return value;
}

function parseRecordType(json: AvroObject, scope: Scope): RecordNode {
  const naming = parseNaming(json, scope);
  const listed = json['fields'];
  if (!Array.isArray(listed)) fail(scope, `record '${naming.name}' has no array of fields`);
  const fields: FieldNode[] = [];
  const node: RecordNode = { kind: 'record', ...naming, fields };
  // Registered before its fields, so that they may refer to it.
  scope.named.set(naming.name, node);
  const seen = new Set<string>();
  const place = scope.place === '' ? naming.name.slice(naming.name.lastIndexOf('.') + 1) : scope.place;
  for (const field of listed as unknown[]) {
    const parsed = parseField(field, { ...scope, namespace: namespaceOf(naming.name), place });
    if (seen.has(parsed.name)) fail({ place }, `field '${parsed.name}' is there twice`);
    seen.add(parsed.name);
    fields.push(parsed);
  }
  return node;
}

function parseField(field: unknown, scope: Scope): FieldNode {
  if (typeof field !== 'object' || field === null) return fail(scope, 'a field must be an object');
  const json = field as Readonly<Record<string, unknown>>;
  const { name, doc } = json;
  if (typeof name !== 'string' || !NAME.test(name))
    fail(scope, `${JSON.stringify(name)} is not a field name`);
  const inner = { ...scope, place: `${scope.place}.${name}` };
  return {
    name,
    aliases: strings(json['aliases'] ?? [], inner, 'aliases'),
    doc: typeof doc === 'string' ? doc : undefined,
    type: parse(json['type'], inner),
    default: json['default'],
    json,
  };
}

function parseEnum(json: AvroObject, scope: Scope): EnumNode {
  const naming = parseNaming(json, scope);
  const symbols = strings(json['symbols'], scope, 'symbols');
  if (symbols.length === 0) fail(scope, `enum '${naming.name}' has no symbols`);
  if (new Set(symbols).size !== symbols.length) fail(scope, `enum '${naming.name}' has a symbol twice`);
  const wrong = symbols.find((symbol) => !NAME.test(symbol));
  if (wrong !== undefined) fail(scope, `enum symbol '${wrong}' is not an Avro name (letters, digits, _)`);
  const fallback = json['default'];
  if (fallback !== undefined && !symbols.includes(fallback as string)) {
    fail(scope, `enum default ${JSON.stringify(fallback)} is not one of its symbols`);
  }
  const node: EnumNode = { kind: 'enum', ...naming, symbols, default: fallback as string | undefined };
  scope.named.set(naming.name, node);
  return node;
}

function parseFixed(json: AvroObject, scope: Scope): FixedNode {
  const naming = parseNaming(json, scope);
  const size = json['size'];
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) {
    fail(scope, `fixed '${naming.name}' needs a size in bytes, has ${JSON.stringify(size)}`);
  }
  const node: FixedNode = { kind: 'fixed', ...naming, size, logical: parseLogical(json, scope) };
  scope.named.set(naming.name, node);
  return node;
}

/** A type in words for messages: `int`, `enum weir.migration.PathState`, `null | string (uuid)`. */
export function describe(node: SchemaNode): string {
  switch (node.kind) {
    case 'union':
      return node.branches.map(describe).join(' | ');
    case 'array':
      return `array of ${describe(node.items)}`;
    case 'map':
      return `map of ${describe(node.values)}`;
    case 'record':
      return `record ${node.name}`;
    case 'enum':
      return `enum ${node.name} (${node.symbols.join(', ')})`;
    case 'fixed':
      return `fixed(${node.size})${describeLogical(node.logical)}`;
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
      return `${node.kind}${describeLogical(node.logical)}`;
  }
}

function describeLogical(logical: Logical | undefined): string {
  if (logical === undefined) return '';
  if (logical.name === 'decimal') return ` (decimal(${logical.precision},${logical.scale}))`;
  return logical.name === 'unsupported' ? '' : ` (${logical.name})`;
}

/** The other branch of a union of null and one type; undefined for any other node. */
export function nullableOf(node: SchemaNode): SchemaNode | undefined {
  if (node.kind !== 'union' || node.branches.length !== 2) return undefined;
  const [a, b] = node.branches as readonly [SchemaNode, SchemaNode];
  if (a.kind === 'null') return b;
  return b.kind === 'null' ? a : undefined;
}
