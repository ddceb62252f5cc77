/** Weir as a contender: its command line. */
import { fileURLToPath } from 'node:url';
import type { Program } from './contender.ts';

/** `options` are those of weir-contender.ts. */
export function weirProgram(
  name: string,
  topology: 'windowed-sum' | 'alarms',
  options: Readonly<Record<string, string | number>>,
): Program {
  const script = fileURLToPath(new URL('./weir-contender.js', import.meta.url));
  const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
  return { name, command: process.execPath, args: [script, topology, ...args] };
}
