import { describe, expect, it } from 'vitest';
import { CliError } from '../cli-error.ts';
import { explanation } from './explanation.ts';
import { parameterValues } from './parameter-values.ts';
import { parseReport } from './report-file.ts';

const report = parseReport(
  'top',
  [
    '-- question: Which?',
    '-- parameter: hours UInt32 default 24: how far back',
    "-- parameter: device String default '': only this",
    '-- column: a: the letter',
    'SELECT {hours:UInt32}, {device:String}',
  ].join('\n'),
  'reports/top.sql',
);

function refusal(...settings: string[]): CliError {
  try {
    parameterValues(report, settings);
  } catch (error) {
    if (error instanceof CliError) return error;
  }
  throw new Error('was not refused');
}

describe('parameterValues', () => {
  it('takes what is given and defaults for the rest', () => {
    expect(parameterValues(report, ['device=a=b'])).toEqual([
      { name: 'hours', text: '24', isDefault: true, encoded: '24' },
      { name: 'device', text: 'a=b', isDefault: false, encoded: 'a=b' },
    ]);
  });

  it('names parameter, type, value and an example where the type is wrong', () => {
    const error = refusal('hours=day');
    expect(error.code).toBe('usage');
    expect(error.message).toBe("parameter 'hours' must be UInt32, not 'day'");
    expect(error.remedies).toEqual(['--param hours=24']);
  });

  it.each([
    ['hour=3', "there is no parameter of report top 'hour'; did you mean 'hours'?"],
    ['hours', '--param hours has no value'],
  ])('refuses %s', (setting, message) => {
    expect(refusal(setting)).toMatchObject({ code: 'usage', message });
  });

  it('refuses a parameter given twice', () => {
    expect(refusal('hours=1', 'hours=2').message).toBe("parameter 'hours' is given twice");
  });
});

describe('explanation', () => {
  it('says what question, parameters and columns mean', () => {
    expect(explanation(report, parameterValues(report, ['hours=3']))).toBe(
      [
        'Which?',
        '',
        'Parameters:',
        '  hours   3: how far back [UInt32]',
        "  device  '' (default): only this [String]",
        '',
        'Columns:',
        '  a  the letter',
        '',
        '',
      ].join('\n'),
    );
  });
});
