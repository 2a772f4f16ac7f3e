/** Prints the counts of a vitest JSON report on one line: `npx tsx scripts/count-tests.ts report.json`. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** The part of vitest's JSON report that is counted. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

/** `N passed, N failed, N skipped`; a file that failed before its first test counts as one failure. */
export function countTests(report: TestReport): string {
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  const failed = report.numFailedTests + broken.length;
  return `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(countTests(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as TestReport));
}
