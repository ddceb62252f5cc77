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
  /** Started by other commands, not by people. */
  readonly isHidden?: boolean;
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
    summary: 'record what runs on Kafka, or a run as demo makes it',
    load: async () => (await import('./commands/record.ts')).registerRecord,
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
    name: 'audit',
    summary: 'prove that every record on Kafka is one row in ClickHouse',
    load: async () => (await import('./commands/audit.ts')).registerAudit,
  },
  {
    name: 'dead-letters',
    summary: 'list what could not be processed, and write it back, once',
    load: async () => (await import('./commands/dead-letters.ts')).registerDeadLetters,
  },
  {
    name: 'topology',
    summary: 'show the processors and the topics between them',
    load: async () => (await import('./commands/topology.ts')).registerTopology,
  },
  {
    name: 'up',
    summary: 'run on Kafka and ClickHouse, until Ctrl-C',
    load: async () => (await import('./commands/up.ts')).registerUp,
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
  {
    name: 'worker',
    summary: 'a worker process of weir up',
    isHidden: true,
    load: async () => (await import('./commands/worker.ts')).registerWorker,
  },
];
