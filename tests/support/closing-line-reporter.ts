/** Ends a test run with what was skipped or failed and why, a line each, and the line `N passed, N failed`. */
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    const skipped: TestCase[] = [];
    const failures = errors.map((error) => `a run: ${messageOf(error)}`);
    for (const module of modules) {
      for (const suite of [module, ...module.children.allSuites()]) {
        const [broken] = suite.errors();
        if (broken !== undefined) failures.push(`${nameOf(suite)}: ${messageOf(broken)}`);
      }
      for (const test of module.children.allTests()) {
        const { state, errors: reasons } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failures.push(`${nameOf(test)}: ${messageOf(reasons[0])}`);
        else skipped.push(test);
      }
    }
    for (const test of skipped) {
      const result = test.result();
      const note = result.state === 'skipped' ? (result.note ?? 'no reason given') : 'did not run';
      process.stdout.write(`skipped: ${nameOf(test)}: ${note}\n`);
    }
    for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
    const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
    process.stdout.write(`${passed} passed, ${failures.length} failed${tail}\n`);
  }
}

const nameOf = (of: TestCase | TestSuite | TestModule): string =>
  of.type === 'module' ? of.relativeModuleId : `${of.module.relativeModuleId} > ${of.fullName}`;

/** On one line. */
const messageOf = (error: unknown): string =>
  (error instanceof Object && 'message' in error ? String(error.message) : String(error)).replace(
    /\s+/g,
    ' ',
  );
