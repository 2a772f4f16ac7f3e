import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runAdaptation } from '../../../src/adaptation/adapt.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { loadModel, openModel } from '../../../src/runtime/load-model-file.ts';
import { writeStories } from '../../unit/compression/toy-folder.ts';
import { shortFeedback, shortLearning } from './short-feedback.ts';

const intervalMs = 5;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-undisturbed-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it('leaves the process that asks for an adaptation free to answer', async () => {
  const baseTexts = [await writeStories(dir)];
  const folder = await openModel('itera-lite-micro');
  const model = await loadModel(folder.dir, { threads: 1 });
  const store = await openStore(join(dir, 'store'));
  await store.addFeedback(shortFeedback);

  const late: number[] = [];
  let expected = performance.now() + intervalMs;
  const timer = setInterval(() => {
    const now = performance.now();
    // Also the ticks that did not come while the loop was held up, or one long wait would count no more than a short one.
    for (; expected <= now; expected += intervalMs) late.push(now - expected);
    expected = Math.max(expected, now + intervalMs / 2);
  }, intervalMs);
  const answers: string[] = [];
  const isRunning = { value: true };
  const answer = async (): Promise<void> => {
    while (isRunning.value) {
      let text = '';
      const greedy = { temperature: 0, maxNewTokens: 20 };
      for await (const piece of model.generate('Once upon a time', greedy)) text += piece.text;
      answers.push(text);
      // What learns has a lower priority and would starve beside a process that never rests.
      await wait(20);
    }
  };
  const options = {
    ...shortLearning,
    versionsDir: join(dir, 'versions'),
    seed: 1,
    threads: 1,
    version: '0',
    baseTexts,
  };
  const adaptation = runAdaptation(store, folder, 'itera-lite-micro', options).finally(() => {
    isRunning.value = false;
    clearInterval(timer);
  });
  const [{ run }] = await Promise.all([adaptation, answer()]);
  await store.close();
  await model.release();

  expect(['promoted', 'rejected']).toContain(run.status);
  const p99 = late.toSorted((a, b) => a - b)[Math.floor(0.99 * late.length)];
  expect(p99).toBeLessThan(100);
  expect(answers.length).toBeGreaterThan(10);
  expect(new Set(answers).size).toBe(1);
}, 120_000);
