import { expect, it } from 'vitest';
import { countTests } from '../../../scripts/count-tests.ts';

it('counts tests, and files that failed before their first one', () => {
  const report = {
    numPassedTests: 7,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [
      { status: 'failed', assertionResults: [{}] },
      { status: 'failed', assertionResults: [] },
      { status: 'passed', assertionResults: [{}, {}] },
    ],
  };
  expect(countTests(report)).toBe('7 passed, 2 failed, 3 skipped');
});
