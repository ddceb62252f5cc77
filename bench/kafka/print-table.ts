/** Tables and the machine, on standard output. */

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Columns aligned: the first to the left, the others to the right. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    print(`  ${cells.join('  ')}`);
  }
}
