import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Where to write the results as JSON besides the terminal, if anywhere. */
const report = process.env['ITERA_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    // ONNX Runtime's native sessions do not survive the end of a worker thread; processes are safe.
    pool: 'forks',
    // Many tests wait for processes of their own; the default leaves one of two cores to nobody.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    expect: { requireAssertions: true },
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
