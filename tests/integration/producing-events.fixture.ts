/** The code that docs/producing-events.md shows, and how it is run. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(root, 'docs/producing-events.md'), 'utf8');
const run = promisify(execFile);

/** The code blocks that a mark announces, with the JSON block that follows, if one does. */
export const blocksOf = (
  mark: string,
): readonly { readonly code: string; readonly json: string | undefined }[] =>
  text
    .split(`<!-- test: ${mark} -->`)
    .slice(1)
    .map((after) => ({
      code: /^\s*```(?:js|sh)\n([^]*?)```/.exec(after)![1]!,
      json: /^\s*```(?:js|sh)\n[^]*?```\s*```json\n([^]*?)```/.exec(after)?.[1],
    }));

/** Rejects when the script fails. @param environment beside this process's own */
export const runScript = (
  code: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<unknown> =>
  run(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    timeout: 120_000,
    env: { ...process.env, ...environment },
  });
