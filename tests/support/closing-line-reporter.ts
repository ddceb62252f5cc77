/** Ends a test run with what was skipped and why, and the line `N passed, N failed`. */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    const skipped: TestCase[] = [];
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else skipped.push(test);
      }
    }
    for (const test of skipped) {
      const result = test.result();
      const note = result.state === 'skipped' ? (result.note ?? 'no reason given') : 'did not run';
      process.stdout.write(
        `skipped: ${test.module.moduleId.split('/').pop() ?? ''} > ${test.fullName}: ${note}\n`,
      );
    }
    const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
    process.stdout.write(`${passed} passed, ${failed} failed${tail}\n`);
  }
}
