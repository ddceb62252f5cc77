/**
 * Compiles `dist` before the integration and fault tests: they start Weir's real processes, which run the compiled code. With it
 * the programs of the tests themselves (tsconfig.json here), into `dist/tests`; `npm run build` makes a `dist` without them.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export default function buildDist(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tests/support/tsconfig.json', '--noCheck'],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  // As `npm run build` does: npm links the command to this file.
  chmodSync(join(root, 'dist/cli/main.js'), 0o755);
}
