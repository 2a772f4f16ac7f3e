import { afterAll, afterEach } from 'vitest';
import { recordOutput } from './output-record.ts';

/** Output that nobody expected is a fault: a test that provokes output replaces the console or stream itself. */
const takeOutput = recordOutput();

function refuseOutput(): void {
  const output = takeOutput();
  if (output.length > 0) throw new Error(`Expected no output, got:\n${output.join('\n')}`);
}

afterEach(refuseOutput);
afterAll(refuseOutput);
