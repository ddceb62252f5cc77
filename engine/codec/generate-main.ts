/**
 * `npm run generate` writes every generated.ts; `npm run generate -- --check` exits with 1 and names those that are not
 * what their .avsc files say. Exit code 1 also for schemas that are refused; each problem names its file and field.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { CodecError } from './codec-error.ts';
import { generateTypes } from './generate.ts';

async function main(root: string, checkOnly: boolean): Promise<number> {
  const stale: string[] = [];
  for (const { path, text } of generateTypes(root)) {
    const file = join(root, path);
    const options = await resolveConfig(file);
    const wanted = await format(text, { ...options, filepath: file });
    if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue;
    stale.push(path);
    if (!checkOnly) writeFileSync(file, wanted);
  }
  for (const path of stale) {
    process.stdout.write(checkOnly ? `${path} is stale: run npm run generate\n` : `wrote ${path}\n`);
  }
  return checkOnly && stale.length > 0 ? 1 : 0;
}

const [rootArgument] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
try {
  process.exitCode = await main(resolve(rootArgument ?? '.'), process.argv.includes('--check'));
} catch (error) {
  if (!(error instanceof CodecError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
