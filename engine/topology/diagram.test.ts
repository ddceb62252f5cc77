import { expect, test } from 'vitest';
import { readingsApp } from '../task/readings.fixture.ts';
import { mermaidDiagram } from './diagram.ts';

test('an app is drawn with topics as cylinders, tables by dotted and urgent outputs by thick arrows', () => {
  expect(mermaidDiagram(readingsApp)).toBe(`flowchart LR
  p_test_summing["test.summing"]
  p_test_watching["test.watching"]
  t_test_readings[("test.readings x1")]
  t_test_others[("test.others x1")]
  t_test_limits_table[("test.limits-table x2")]
  t_test_sums[("test.sums x1")]
  t_test_alarms[("test.alarms x1")]
  t_test_verdicts[("test.verdicts x1")]
  t_test_readings --> p_test_summing
  t_test_others --> p_test_summing
  t_test_limits_table -.-> p_test_summing
  p_test_summing --> t_test_sums
  p_test_summing ==> t_test_alarms
  t_test_sums --> p_test_watching
  t_test_alarms --> p_test_watching
  t_test_limits_table -.-> p_test_watching
  p_test_watching --> t_test_verdicts
`);
});

test('streams that no processor touches are left out', () => {
  expect(mermaidDiagram({ ...readingsApp, processors: [] })).toBe('flowchart LR\n');
});
