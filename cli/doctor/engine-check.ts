/**
 * Whether chdb, the embedded ClickHouse, loads and answers. In a child process: a native library that does not fit the
 * processor or the C library ends its process with a signal.
 */
import { packageRoot } from '../package-root.ts';
import type { Check } from './check.ts';
import { runProgram } from './run-program.ts';

/** Its first load from a cold disk reads half a gigabyte. */
const timeoutMs = 60_000;
const statement = "SELECT concat('answers as ClickHouse ', version())";
const script = `import { query } from 'chdb'; process.stdout.write(query(${JSON.stringify(statement)}, 'TabSeparated'));`;

const remedy =
  'install the package again without --omit=optional (npm ci); 600 MB of disk are needed. Or name a ClickHouse server with --url';

export async function engineCheck(): Promise<Check> {
  const base = { name: 'chdb', neededFor: 'the embedded ClickHouse' };
  const { outcome, text } = await runProgram(process.execPath, ['--input-type=module', '--eval', script], {
    timeoutMs,
    cwd: packageRoot(),
  });
  const answer = /answers as ClickHouse \S+/.exec(text)?.[0];
  if (outcome === 0 && answer !== undefined) return { ...base, state: 'ok', found: answer };
  const reason = /^\w*Error.*$/m.exec(text)?.[0] ?? text.split('\n').at(-1) ?? '';
  return { ...base, state: 'missing', found: `does not run (${outcome}) ${reason}`.trim(), remedy };
}
