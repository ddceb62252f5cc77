/**
 * From `.avsc` files to the `generated.ts` of each folder.
 *
 * I1  The same files give the same text, whatever the order in which the file system lists them.
 */
import { emitFolder } from './emit-types.ts';
import { loadSchemaFiles } from './schema-files.ts';
import { validateSchemas } from './validate-schema.ts';
import type { ValidSchema } from './validate-schema.ts';

/** A file to be written: its path from the project's folder and its text, not yet laid out. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** Reads, validates and translates all schemas of a project. Throws a CodecError with every problem found. */
export function generateTypes(root: string): readonly GeneratedFile[] {
  const byFolder = new Map<string, ValidSchema[]>();
  for (const schema of validateSchemas(loadSchemaFiles(root))) {
    const folder = byFolder.get(schema.file.folder) ?? [];
    folder.push(schema);
    byFolder.set(schema.file.folder, folder);
  }
  return [...byFolder].map(([folder, schemas]) => ({
    path: `${folder}/generated.ts`,
    text: emitFolder(schemas),
  }));
}
