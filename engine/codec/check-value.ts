/** Why a value does not fit its schema: every field that is wrong, with what was expected and what was found. */
import { unscaledOf } from './decimal.ts';
import { isUuid } from './logical-types.ts';
import { describe } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/** A node that holds no other. */
export type ScalarNode = Exclude<SchemaNode, { kind: 'record' | 'array' | 'map' | 'union' }>;

const MAX_INT = 2 ** 31 - 1;

/** Whether a value is one of a scalar type's, in the TypeScript form of avro-type.ts. */
export function fitsScalar(node: ScalarNode, value: unknown): boolean {
  switch (node.kind) {
    case 'null':
      return value === null;
    case 'boolean':
      return typeof value === 'boolean';
    case 'int':
      return Number.isInteger(value) && (value as number) >= -MAX_INT - 1 && (value as number) <= MAX_INT;
    case 'long':
      return Number.isSafeInteger(value);
    case 'float':
    case 'double':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string' && (node.logical?.name !== 'uuid' || isUuid(value.toLowerCase()));
    case 'enum':
      return typeof value === 'string' && node.symbols.includes(value);
    case 'bytes':
    case 'fixed':
      if (node.logical?.name === 'decimal') return isDecimal(node.logical, value);
      return Buffer.isBuffer(value) && (node.kind !== 'fixed' || value.length === node.size);
  }
}

function isDecimal({ precision, scale }: { precision: number; scale: number }, value: unknown): boolean {
  return typeof value === 'string' && unscaledOf(value, precision, scale) !== undefined;
}

const MAX_SHOWN = 60;

/** A value in a few words for a message. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (value === null) return 'null';
  const text = typeof value === 'string' ? JSON.stringify(value) : `${value as number}`;
  return `${typeof value} ${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text}`;
}

/** One finding: the field, what was expected there, and what was found. */
export function problemAt(path: string, expected: string, value: unknown): string {
  return `${path === '' ? 'the value' : `field '${path}'`}: expected ${expected}, got ${show(value)}`;
}

/** Path of something inside. */
export function within(path: string, name: string | number): string {
  return path === '' ? String(name) : `${path}.${name}`;
}

/** Whether a value is an object with named members: no array, no Buffer. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}

/** Every field in which a value does not fit its schema; empty if it fits. */
export function valueProblems(node: SchemaNode, value: unknown, path = ''): readonly string[] {
  switch (node.kind) {
    case 'record':
      if (!isObject(value)) return [problemAt(path, describe(node), value)];
      return node.fields.flatMap(({ name, type, default: fallback }) =>
        value[name] === undefined && fallback !== undefined
          ? []
          : valueProblems(type, value[name], within(path, name)),
      );
    case 'array':
      if (!Array.isArray(value)) return [problemAt(path, describe(node), value)];
      return value.flatMap((item, index) => valueProblems(node.items, item, within(path, index)));
    case 'map':
      if (!isObject(value)) return [problemAt(path, describe(node), value)];
      return Object.entries(value).flatMap(([key, item]) =>
        valueProblems(node.values, item, within(path, key)),
      );
    case 'union':
      return unionProblems(node.branches, value, path, describe(node));
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
      return fitsScalar(node, value) ? [] : [problemAt(path, describe(node), value)];
  }
}

function unionProblems(
  branches: readonly SchemaNode[],
  value: unknown,
  path: string,
  expected: string,
): readonly string[] {
  const found = branches.map((branch) => valueProblems(branch, value, path));
  if (found.some((problems) => problems.length === 0)) return [];
  // A value of the right shape with a field wrong inside: name that field, not the union.
  const inside = branches.findIndex(
    (branch) =>
      (branch.kind === 'record' && isObject(value)) || (branch.kind === 'array' && Array.isArray(value)),
  );
  return inside < 0 ? [problemAt(path, expected, value)] : found[inside]!;
}
