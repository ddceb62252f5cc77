/**
 * The commands of `weir`, in the order of its help.
 *
 * I1  A command's module is loaded only when that command is run or asked for its help: `weir --help` stays fast.
 */
import type { Command } from 'commander';
import type { CliIo } from './io.ts';

type Register = (program: Command, io: CliIo) => void;

export interface CommandEntry {
  readonly name: string;
  /** The line in `weir --help`. */
  readonly summary: string;
  readonly load: () => Promise<Register>;
}

export const commandList: readonly CommandEntry[] = [
  {
    name: 'topology',
    summary: 'show the processors and the topics between them',
    load: async () => (await import('./commands/topology.ts')).registerTopology,
  },
];
