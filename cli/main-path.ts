/** The compiled command line, as other processes of Weir are started by: also when this one runs from sources (tests). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './cli-error.ts';
import { packageRoot } from './package-root.ts';

/** @throws CliError when the package is not built */
export function mainPath(): string {
  const path = join(packageRoot(), 'dist', 'cli', 'main.js');
  if (existsSync(path)) return path;
  throw new CliError('environment', `${path} is missing`, { remedies: ['build the package: npm run build'] });
}
