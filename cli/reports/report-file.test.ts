import { describe, expect, it } from 'vitest';
import { allReports } from './report-list.ts';
import { parseReport } from './report-file.ts';

const question = '-- question: Which devices wrote most?';
const hours = '-- parameter: hours UInt32 default 24: how far back, hours';
const device = '-- column: device_id: device';
const select = 'SELECT device_id FROM t WHERE at > now() - {hours:UInt32}';

function parse(...lines: string[]): ReturnType<typeof parseReport> {
  return parseReport('top', lines.join('\n'), 'reports/top.sql');
}

describe('parseReport', () => {
  it('reads question, parameters, columns and statement', () => {
    const report = parse(
      question,
      hours,
      "-- parameter: name String default 'it''s: x\\'y': which: that",
      device,
      '--    and more about it',
      select,
      '-- a comment with {nothing:String} and a ;',
      "AND name = {name : String} AND x != '{no:String};'",
    );
    expect(report.question).toBe('Which devices wrote most?');
    expect(
      report.parameters.map(({ name, type, defaultText, description }) => [
        name,
        type.name,
        defaultText,
        description,
      ]),
    ).toEqual([
      ['hours', 'UInt32', '24', 'how far back, hours'],
      ['name', 'String', "it's: x'y", 'which: that'],
    ]);
    expect(report.columns).toEqual([{ name: 'device_id', meaning: 'device and more about it' }]);
    expect(report.sql.startsWith('SELECT device_id')).toBe(true);
  });

  it.each([
    ['no question', [hours, device, select], 'reports/top.sql:1: the header has one'],
    ['two questions', [question, question, device, 'SELECT 1'], 'reports/top.sql:2: the header has one'],
    [
      'an unknown header line',
      [question, '-- author: me', device, 'SELECT 1'],
      'reports/top.sql:2: a line of the header',
    ],
    ['no columns', [question, 'SELECT 1'], "a '-- column: …' line for each"],
    [
      'a column without meaning',
      [question, '-- column: x,y: z', 'SELECT 1'],
      'reports/top.sql:2: write: <name>',
    ],
    ['a column twice', [question, device, device, 'SELECT 1'], "column 'device_id' is declared twice"],
    [
      'a parameter without default',
      [question, '-- parameter: h UInt32: x', device, select],
      'reports/top.sql:2: write: <name> <Type> default',
    ],
    [
      'a parameter of an odd type',
      [question, '-- parameter: h Array(String) default 1: x', device, select],
      'Array(String) is none of',
    ],
    [
      'a default of another type',
      [question, '-- parameter: h UInt32 default -1: x', device, select],
      'the default -1 is no UInt32',
    ],
    [
      'a name in capitals',
      [question, '-- parameter: H UInt32 default 1: x', device, select],
      "'H' is no name",
    ],
    ['a parameter that is not declared', [question, device, select], '{hours:UInt32} is not declared'],
    [
      'a parameter of two types',
      [question, hours, device, 'SELECT {hours:Int32}'],
      '{hours:Int32} is declared as UInt32',
    ],
    [
      'a parameter that is not used',
      [question, hours, device, 'SELECT 1'],
      "'hours' is declared but not used",
    ],
    ['another statement', [question, device, 'DROP TABLE t'], 'reports/top.sql:3: after the header'],
    ['two statements', [question, device, 'SELECT 1; DROP TABLE t'], 'one statement only'],
    ['no statement', [question, device], 'after the header'],
    ['an open quote', [question, device, "SELECT 'abc"], 'a quote or comment is not closed'],
  ])('refuses %s, naming file and line', (_, lines, message) => {
    let thrown = '';
    try {
      parse(...lines);
    } catch (error) {
      thrown = (error as Error).message;
    }
    expect(thrown).toMatch(/^reports\/top\.sql:\d+: /);
    expect(thrown).toContain(message);
  });
});

describe('the reports of the package', () => {
  it('all parse', () => {
    expect(allReports().length).toBeGreaterThanOrEqual(3);
  });
});
