/** The reports of the package: `reports/*.sql`. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { unknownName } from '../unknown-name.ts';
import { parseReport, type Report } from './report-file.ts';

const extension = '.sql';

/** All reports by name. Throws a CliError for one that does not parse. */
export function allReports(): readonly Report[] {
  const directory = join(packageRoot(), 'reports');
  return readdirSync(directory)
    .filter((file) => file.endsWith(extension))
    .sort()
    .map((file) => {
      const text = readFileSync(join(directory, file), 'utf8');
      return parseReport(basename(file, extension), text, `reports/${file}`);
    });
}

/** The report of this name. Throws a usage error that suggests the nearest. */
export function reportNamed(name: string): Report {
  const reports = allReports();
  const found = reports.find((report) => report.name === name);
  if (found !== undefined) return found;
  throw unknownName(
    'report',
    name,
    reports.map((report) => report.name),
  );
}
