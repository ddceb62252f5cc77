/**
 * Avro schema resolution, statically: can every value of a writer's schema be read as the reader's?
 *
 * I1  No problem reported means that avsc builds a resolver, and the reverse (a property test compares the two).
 * Source: https://avro.apache.org/docs/1.12.0/specification/#schema-resolution; names match in full, as in avsc.
 */
import { describe } from './schema-node.ts';
import type {
  EnumNode,
  FieldNode,
  FixedNode,
  Logical,
  PrimitiveKind,
  RecordNode,
  SchemaNode,
} from './schema-node.ts';

/** What stands in the way of reading a field. */
export interface ResolutionProblem {
  /** Path of the reader's field; '' for the record itself. */
  readonly field: string;
  readonly problem: string;
}

/** What stands in the way of reading values of `writer` as `reader`: empty if nothing does. */
export function resolutionProblems(reader: SchemaNode, writer: SchemaNode): readonly ResolutionProblem[] {
  return resolve(reader, writer, '', new Set());
}

/** Pairs of records being compared: a recursive schema meets them again and takes them as readable. */
type Open = Set<string>;

function resolve(
  reader: SchemaNode,
  writer: SchemaNode,
  field: string,
  open: Open,
): readonly ResolutionProblem[] {
  if (writer.kind === 'union')
    return writer.branches.flatMap((branch) => resolve(reader, branch, field, open));
  if (reader.kind === 'union') {
    const fits = reader.branches.some((branch) => resolve(branch, writer, field, new Set(open)).length === 0);
    return fits ? [] : mismatch(reader, writer, field);
  }
  if (reader.kind === 'record' && writer.kind === 'record') return resolveRecord(reader, writer, field, open);
  if (reader.kind === 'enum' && writer.kind === 'enum') return resolveEnum(reader, writer, field);
  if (reader.kind === 'array' && writer.kind === 'array')
    return resolve(reader.items, writer.items, `${field}[]`, open);
  if (reader.kind === 'map' && writer.kind === 'map')
    return resolve(reader.values, writer.values, `${field}{}`, open);
  if (reader.kind === 'fixed' && writer.kind === 'fixed') return resolveFixed(reader, writer, field);
  return scalarFits(reader, writer) ? [] : mismatch(reader, writer, field);
}

function mismatch(reader: SchemaNode, writer: SchemaNode, field: string): readonly ResolutionProblem[] {
  return [{ field, problem: `${describe(writer)} cannot be read as ${describe(reader)}` }];
}

function namesMatch(reader: RecordNode | EnumNode | FixedNode, writer: { readonly name: string }): boolean {
  return reader.name === writer.name || reader.aliases.includes(writer.name);
}

function resolveRecord(
  reader: RecordNode,
  writer: RecordNode,
  field: string,
  open: Open,
): readonly ResolutionProblem[] {
  if (!namesMatch(reader, writer)) {
    return [
      {
        field,
        problem: `record ${writer.name} is not ${reader.name}; give ${reader.name} the alias ${writer.name}`,
      },
    ];
  }
  const pair = `${reader.name}:${writer.name}`;
  if (open.has(pair)) return [];
  open.add(pair);
  return reader.fields.flatMap((wanted) => {
    const path = field === '' ? wanted.name : `${field}.${wanted.name}`;
    const found = writer.fields.filter((candidate) => isField(wanted, candidate));
    if (found.length > 1) {
      return [
        {
          field: path,
          problem: `both ${found.map(({ name }) => `'${name}'`).join(' and ')} match it by its aliases`,
        },
      ];
    }
    if (found.length === 1) return resolve(wanted.type, found[0]!.type, path, open);
    return wanted.default === undefined ? [{ field: path, problem: 'is missing, and has no default' }] : [];
  });
}

function isField(wanted: FieldNode, candidate: FieldNode): boolean {
  return wanted.name === candidate.name || wanted.aliases.includes(candidate.name);
}

function resolveEnum(reader: EnumNode, writer: EnumNode, field: string): readonly ResolutionProblem[] {
  if (!namesMatch(reader, writer)) return mismatch(reader, writer, field);
  const unknown = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
  if (unknown.length === 0 || reader.default !== undefined) return [];
  return [
    {
      field,
      problem: `symbol ${unknown.join(', ')} is unknown to ${reader.name}, which has no default symbol`,
    },
  ];
}

function resolveFixed(reader: FixedNode, writer: FixedNode, field: string): readonly ResolutionProblem[] {
  const fits =
    reader.logical?.name === 'decimal'
      ? sameDecimal(reader.logical, writer.logical)
      : reader.size === writer.size && namesMatch(reader, writer);
  return fits ? [] : mismatch(reader, writer, field);
}

const PROMOTIONS: Readonly<Record<PrimitiveKind, readonly SchemaNode['kind'][]>> = {
  null: [],
  boolean: [],
  int: [],
  long: ['int'],
  float: ['int', 'long'],
  double: ['int', 'long', 'float'],
  bytes: ['string'],
  string: ['bytes'],
};

function scalarFits(reader: SchemaNode, writer: SchemaNode): boolean {
  const to = logicalOf(reader);
  const from = logicalOf(writer);
  if (to?.name === 'decimal') return sameDecimal(to, from);
  if (!(reader.kind in PROMOTIONS)) return false;
  if (to?.name === 'uuid') return writer.kind === 'string';
  if (differInTime(to, from)) return false;
  return reader.kind === writer.kind || PROMOTIONS[reader.kind as PrimitiveKind].includes(writer.kind);
}

function logicalOf(node: SchemaNode): Logical | undefined {
  return 'logical' in node ? node.logical : undefined;
}

function sameDecimal(reader: Logical & { name: 'decimal' }, writer: Logical | undefined): boolean {
  return writer?.name === 'decimal' && writer.precision === reader.precision && writer.scale === reader.scale;
}

/** Both say what their number counts, and they do not say the same. */
function differInTime(reader: Logical | undefined, writer: Logical | undefined): boolean {
  return (
    reader !== undefined &&
    writer !== undefined &&
    reader.name !== 'unsupported' &&
    writer.name !== 'unsupported' &&
    reader.name !== writer.name
  );
}
