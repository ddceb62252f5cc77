/** Values of a report's parameters, from `--param name=value` and the defaults. */
import { CliError } from '../cli-error.ts';
import { unknownName } from '../unknown-name.ts';
import type { Report, ReportParameter } from './report-file.ts';

export interface ParameterValue {
  readonly name: string;
  /** As the user wrote it, or the default. */
  readonly text: string;
  readonly isDefault: boolean;
  /** As ClickHouse takes it. */
  readonly encoded: string;
}

function valueOf({ name, type, defaultText }: ReportParameter, given: string | undefined): ParameterValue {
  const text = given ?? defaultText;
  const encoded = type.encode(text);
  if (encoded !== undefined) return { name, text, isDefault: given === undefined, encoded };
  throw new CliError('usage', `parameter '${name}' must be ${type.name}, not '${text}'`, {
    remedies: [`--param ${name}=${type.example}`],
  });
}

/** One value for each parameter of the report. Throws a usage error that names parameter, type, value and an example. */
export function parameterValues(report: Report, settings: readonly string[]): readonly ParameterValue[] {
  const given = new Map<string, string>();
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    const name = equals < 0 ? setting : setting.slice(0, equals);
    const parameter = report.parameters.find((candidate) => candidate.name === name);
    if (parameter === undefined) {
      const names = report.parameters.map((candidate) => candidate.name);
      throw unknownName(`parameter of report ${report.name}`, name, names);
    }
    if (equals < 0)
      throw new CliError('usage', `--param ${setting} has no value`, {
        remedies: [`--param ${name}=${parameter.type.example}`],
      });
    if (given.has(name)) throw new CliError('usage', `parameter '${name}' is given twice`);
    given.set(name, setting.slice(equals + 1));
  }
  return report.parameters.map((parameter) => valueOf(parameter, given.get(parameter.name)));
}
