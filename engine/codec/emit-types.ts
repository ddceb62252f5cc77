/**
 * Writes the TypeScript of schemas: an interface for each record, a union of literals for each enum, and a constant for
 * each stream or record schema. The text is deterministic; generate-main.ts lays it out with prettier.
 */
import { CodecError } from './codec-error.ts';
import type { EnumNode, RecordNode, SchemaNode } from './schema-node.ts';
import type { ValidSchema } from './validate-schema.ts';

const HEADER = `/**
 * Generated from the .avsc files beside it by \`npm run generate\`. Change those, not this file.
 */
`;

/** The text of one folder's `generated.ts`. Throws a CodecError if two types or constants would share a name. */
export function emitFolder(schemas: readonly ValidSchema[]): string {
  const types = new Map<string, Declaration>();
  const constants = new Map<string, Declaration>();
  const problems: string[] = [];
  for (const { file, record, stream } of schemas) {
    const name = stream === undefined ? schemaConstantOf(record) : streamConstantOf(stream.topic);
    declare(
      constants,
      name,
      { owner: file.path, text: emitConstant(name, { file, record, stream }) },
      problems,
    );
    for (const node of namedTypesOf(record)) {
      declare(types, shortName(node.name), { owner: node.name, text: emitType(node) }, problems);
    }
  }
  if (problems.length > 0) throw new CodecError('invalid-schema', problems);
  const imports = [
    ...(schemas.some(({ stream }) => stream === undefined) ? ['RecordSchema'] : []),
    ...(schemas.some(({ stream }) => stream !== undefined) ? ['Stream'] : []),
  ];
  const texts = (of: Map<string, Declaration>): string[] =>
    [...of.keys()].sort().map((name) => of.get(name)!.text);
  return [
    HEADER,
    `import type { ${imports.join(', ')} } from '#engine/topology/stream.ts';\n`,
    ...texts(types),
    ...texts(constants),
  ].join('\n');
}

interface Declaration {
  /** What the name stands for; another of the same name is a clash unless it is the very same. */
  readonly owner: string;
  readonly text: string;
}

function declare(
  into: Map<string, Declaration>,
  name: string,
  declaration: Declaration,
  problems: string[],
): void {
  const other = into.get(name);
  if (other !== undefined && other.owner !== declaration.owner) {
    problems.push(
      `${declaration.owner}: its generated name '${name}' is that of ${other.owner} too; rename one`,
    );
  }
  into.set(name, declaration);
}

function shortName(full: string): string {
  return full.slice(full.lastIndexOf('.') + 1);
}

function schemaConstantOf(record: RecordNode): string {
  const short = shortName(record.name);
  return `${short.charAt(0).toLowerCase()}${short.slice(1)}Schema`;
}

/** `migration.link-states` -> `linkStates`. */
function streamConstantOf(topic: string): string {
  return shortName(topic).replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function namedTypesOf(type: SchemaNode): readonly (RecordNode | EnumNode)[] {
  switch (type.kind) {
    case 'record':
      return [type, ...type.fields.flatMap((field) => namedTypesOf(field.type))];
    case 'enum':
      return [type];
    case 'array':
      return namedTypesOf(type.items);
    case 'map':
      return namedTypesOf(type.values);
    case 'union':
      return type.branches.flatMap(namedTypesOf);
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'fixed':
      return [];
  }
}

function docComment(doc: string | undefined, indent: string): string {
  if (doc === undefined) return '';
  const lines = wrap(doc.replaceAll('*/', '* /'), 114 - indent.length);
  if (lines.length === 1) return `${indent}/** ${lines[0]!} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`).join('\n')}\n${indent} */\n`;
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.trim().split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function emitType(node: RecordNode | EnumNode): string {
  const head = `${docComment(node.doc, '')}export `;
  if (node.kind === 'enum') {
    return `${head}type ${shortName(node.name)} = ${node.symbols.map((symbol) => `'${symbol}'`).join(' | ')};\n`;
  }
  const fields = node.fields.map(
    (field) => `${docComment(field.doc, '  ')}  readonly ${field.name}: ${typeText(field.type)};\n`,
  );
  return `${head}interface ${shortName(node.name)} {\n${fields.join('')}}\n`;
}

function typeText(type: SchemaNode): string {
  switch (type.kind) {
    case 'null':
    case 'boolean':
    case 'string':
      return type.kind;
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number';
    case 'bytes':
    case 'fixed':
      return type.logical?.name === 'decimal' ? 'string' : 'Buffer';
    case 'enum':
    case 'record':
      return shortName(type.name);
    case 'array': {
      const items = typeText(type.items);
      return `readonly ${items.includes(' ') ? `(${items})` : items}[]`;
    }
    case 'map':
      return `Readonly<Record<string, ${typeText(type.values)}>>`;
    case 'union':
      return type.branches
        .map((branch) => ({ isNull: branch.kind === 'null', text: typeText(branch) }))
        .sort((a, b) => Number(a.isNull) - Number(b.isNull))
        .map(({ text }) => (text.startsWith('readonly ') ? `(${text})` : text))
        .join(' | ');
  }
}

function emitConstant(name: string, { file, record, stream }: ValidSchema): string {
  const type = shortName(record.name);
  const value = {
    name: record.name,
    ...stream,
    schema: file.schema,
  };
  const what =
    stream === undefined
      ? `Schema of ${type}.`
      : `Topic ${stream.topic}: ${type}, keyed by ${stream.key.entity}.`;
  const generic = stream === undefined ? 'RecordSchema' : 'Stream';
  return `/** ${what} */\nexport const ${name}: ${generic}<${type}> = ${JSON.stringify(value)};\n`;
}
