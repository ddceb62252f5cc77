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
    name: 'demo',
    summary: "run with this host's telemetry and a simulated estate; reports at the end",
    load: async () => (await import('./commands/demo.ts')).registerDemo,
  },
  {
    name: 'produce',
    summary: 'write events from lines of JSON',
    load: async () => (await import('./commands/produce.ts')).registerProduce,
  },
  {
    name: 'record',
    summary: 'run as demo does and record it',
    load: async () => (await import('./commands/demo.ts')).registerRecord,
  },
  {
    name: 'replay',
    summary: 'replay a recording, exactly or with other parameters',
    load: async () => (await import('./commands/replay.ts')).registerReplay,
  },
  {
    name: 'report',
    summary: 'answer a question from the tables in ClickHouse',
    load: async () => (await import('./commands/report.ts')).registerReport,
  },
  {
    name: 'topology',
    summary: 'show the processors and the topics between them',
    load: async () => (await import('./commands/topology.ts')).registerTopology,
  },
  {
    name: 'local',
    summary: 'start and stop Kafka and ClickHouse on this machine',
    load: async () => (await import('./commands/local.ts')).registerLocal,
  },
  {
    name: 'doctor',
    summary: 'say what is missing on this machine and how to get it',
    load: async () => (await import('./commands/doctor.ts')).registerDoctor,
  },
];
