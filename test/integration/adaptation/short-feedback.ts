import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NewFeedback } from '../../../src/adaptation/store/store-records.ts';

/** Feedback of few tokens, so that learning from it takes a second or two; learnt in some steps. */
export const shortFeedback: readonly NewFeedback[] = Array.from({ length: 120 }, (_, at) => ({
  prompt: `They number ${at} lived`,
  output: ' happily ever after.',
  correct: false,
  correction: ' in a hut.',
  client: `reader-${at % 12}`,
}));

/** Steps and rate that learn it, in options of the API. */
export const shortLearning = { steps: 4, learningRate: 1e-3, variants: [], baseBytes: 10_000 } as const;

/** The same on the command line, with a text of its own that must not get worse. */
export const shortOptions = (baseText: string): readonly string[] => [
  ...['--model', 'itera-lite-micro', '--steps', '4', '--learning-rate', '0.001', '--variant', 'none'],
  ...['--base-text', baseText],
];

/** Writes feedback as JSON lines. */
export async function writeFeedback(dir: string, name: string, items: readonly unknown[]): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
  return path;
}
