/** The lint rules that keep ambient sources out of processors (I1 of engine/topology/processor.ts), as `npm run check` runs them. */
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const eslint = new ESLint({ cwd: root });

/** How many of the rules' messages a text would get as this file. */
async function refusals(text: string, filePath: string): Promise<number> {
  const [result] = await eslint.lintText(text, { filePath: `${root}${filePath}` });
  return result!.messages.filter(({ ruleId }) => ruleId?.startsWith('no-restricted-')).length;
}

const processorFile = 'pipelines/failover/io-series.ts';

describe('lint of processors', () => {
  it.each([
    "import { readFileSync } from 'node:fs'; export const x = readFileSync;",
    "import os from 'os'; export const x = os;",
    'export const x = Math.random();',
    'export const x = Date.now();',
    'export const x = new Date();',
    'export const x = Date();',
    'export const x = performance.now();',
    'export const x = process.env;',
    'export const x = crypto.randomUUID();',
    'export const x = (1).toLocaleString();',
    "export const x = 'a'.localeCompare('b');",
    'export const x = Intl.NumberFormat();',
    "export const x = import('./bins.ts');",
  ])('refuses %s', async (text) => {
    expect(await refusals(text, processorFile)).toBe(1);
  });

  it('lets a given time be written, and tests read their fixtures', async () => {
    expect(await refusals('export const x = new Date(5).toISOString();', processorFile)).toBe(0);
    const test = "import { readFileSync } from 'node:fs'; export const x = readFileSync;";
    expect(await refusals(test, 'pipelines/failover/bins.test.ts')).toBe(0);
  });
});
