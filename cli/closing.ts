/** What a run prints at its end: events and rows, commands and their answers, dead letters, reports. */
import type { ClickHouseClient } from '@clickhouse/client';
import { commandAnswers } from './demo-summary.ts';
import type { CliIo } from './io.ts';
import { writeResult } from './present/result.ts';
import type { Result } from './present/value.ts';
import { parameterValues } from './reports/parameter-values.ts';
import { reportNamed } from './reports/report-list.ts';
import { runReport } from './reports/run-report.ts';

/** The reports printed at the end. */
const closingReports = ['predicted-against-actual', 'bandwidth-for-rpo', 'seconds-on-standby'] as const;

export interface Closing {
  /** Milliseconds since the epoch: commands issued before do not count. */
  readonly startedMs: number;
  readonly events: Result;
  readonly deadLetters: number;
  /** What `weir report` needs to find this data, with a space before it. */
  readonly reportOptions: string;
}

export async function writeClosing(io: CliIo, client: ClickHouseClient, closing: Closing): Promise<void> {
  const heading = (title: string): void => {
    io.stdout.write(`\n${title}\n`);
  };
  heading('Events and rows');
  writeResult(io, 'table', closing.events);
  heading('Commands');
  writeResult(io, 'table', await commandAnswers(client, closing.startedMs));
  io.stdout.write(`\nDead letters: ${closing.deadLetters}\n`);
  for (const name of closingReports) {
    const report = reportNamed(name);
    heading(report.question);
    writeResult(io, 'table', await runReport(client, report, parameterValues(report, [])));
  }
  io.stdout.write(`\nMore: weir report${closing.reportOptions}\n`);
}
