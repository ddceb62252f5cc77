/** Where the package lies: its reports, schemas and package.json, from sources and from dist/ alike. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from './cli-error.ts';

interface Package {
  readonly directory: string;
  readonly version: string;
}

let found: Package | undefined;

function readPackage(directory: string): Package | undefined {
  const path = join(directory, 'package.json');
  if (!existsSync(path)) return undefined;
  const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof content !== 'object' || content === null) return undefined;
  const { name, version } = content as { readonly name?: unknown; readonly version?: unknown };
  return name === 'weir' ? { directory, version: String(version) } : undefined;
}

function weirPackage(): Package {
  if (found !== undefined) return found;
  const start = dirname(fileURLToPath(import.meta.url));
  for (let directory = start; ; directory = dirname(directory)) {
    found = readPackage(directory);
    if (found !== undefined) return found;
    if (directory === dirname(directory)) {
      throw new CliError('environment', `no package.json of weir above ${start}`, {
        remedies: ['install the package again: its files have been moved apart'],
      });
    }
  }
}

/** The package's directory: the nearest above this file whose package.json is weir's. */
export function packageRoot(): string {
  return weirPackage().directory;
}

/** The version in package.json. */
export function packageVersion(): string {
  return weirPackage().version;
}
