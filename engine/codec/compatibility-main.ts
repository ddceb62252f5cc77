/**
 * `npm run check:schemas` exits with 1 and names every field that breaks with a released version of its schema;
 * `npm run release:schemas` writes the versions to be released, laid out with prettier, if nothing breaks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { CodecError } from './codec-error.ts';
import { checkProject, releaseProject } from './compatibility.ts';

async function release(root: string): Promise<number> {
  for (const path of releaseProject(root)) {
    const file = join(root, path);
    const options = await resolveConfig(file);
    writeFileSync(file, await format(readFileSync(file, 'utf8'), { ...options, filepath: file }));
    process.stdout.write(`released ${path}\n`);
  }
  return 0;
}

function check(root: string): number {
  const problems = checkProject(root);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  return problems.length > 0 ? 1 : 0;
}

const [rootArgument] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const root = resolve(rootArgument ?? '.');
try {
  process.exitCode = process.argv.includes('--release') ? await release(root) : check(root);
} catch (error) {
  if (!(error instanceof CodecError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
