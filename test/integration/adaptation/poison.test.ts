import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adaptation, runAdaptation } from '../../../src/adaptation/adapt.ts';
import { readFeedbackFile } from '../../../src/adaptation/feedback-file.ts';
import { curateFeedback } from '../../../src/adaptation/learning/curation.ts';
import { scenarioFile } from '../../../src/adaptation/scenarios.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import type { NewFeedback, StoredFeedback } from '../../../src/adaptation/store/store-records.ts';
import { createRandom } from '../../../src/core/random.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-poison-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Words without sense, as prompts and as answers that are called the best. */
function makeNoise(count: number, clientOf: (at: number) => string): readonly NewFeedback[] {
  const random = createRandom(1, 41);
  const word = (): string =>
    Array.from({ length: 2 + random.integer(7) }, () => String.fromCharCode(97 + random.integer(26))).join('');
  const words = (length: number): string => Array.from({ length }, word).join(' ');
  return Array.from({ length: count }, (_, at) => {
    return { prompt: words(4), output: ` ${words(4)}.`, rating: 5, client: clientOf(at) };
  });
}

/** Adapts to feedback in a store of its own, as far as it takes to learn a scenario. */
async function adapt(
  name: string,
  items: readonly NewFeedback[],
): Promise<Adaptation & { readonly feedback: readonly StoredFeedback[] }> {
  const store = await openStore(join(dir, name));
  try {
    await store.addFeedback(items);
    const learning = { steps: 30, variants: [], baseTexts: ['stories', 'articles'], baseBytes: 50_000 };
    const common = { versionsDir: join(dir, `${name}-versions`), seed: 1, threads: 2, version: '0' };
    const adaptation = await runAdaptation(store, await openModel('itera-lite-micro'), 'itera-lite-micro', {
      ...{ ...learning, ...common },
    });
    return { ...adaptation, feedback: await store.listFeedback() };
  } finally {
    await store.close();
  }
}

/** Whatever came of it: who answers now predicts base text at most 2% worse, or is the base model. */
function expectHarmless({ run, deployment, evidence }: Adaptation): void {
  if (run.status !== 'promoted') {
    expect([run.status, deployment.promoted]).toEqual(['rejected', 'v1']);
    return;
  }
  const bounds = evidence?.measured?.base.map(({ ratio }) => ratio.interval?.[1] ?? Number.NaN) ?? [];
  expect(bounds).toHaveLength(2);
  for (const bound of bounds) expect(bound).toBeLessThanOrEqual(1.02);
}

describe('noise', { timeout: 120_000 }, () => {
  it('of one client is at most a tenth of what is learnt, and the rest is learnt nevertheless', async () => {
    const { items } = await readFeedbackFile(scenarioFile('phrase'));
    const adaptation = await adapt('one', [...makeNoise(1000, () => 'noise'), ...items]);
    const { training, stopping, heldOut } = curateFeedback(adaptation.feedback);
    const all = [...training, ...stopping, ...heldOut];
    expect(adaptation.curation).toMatchObject({
      training: training.length,
      dropped: { clientShare: 1000 - (all.length - items.length) },
    });
    const noise = all.filter(({ client }) => client === 'noise');
    expect(noise.length).toBeGreaterThan(0);
    expect(noise.length / all.length).toBeLessThanOrEqual(0.1);
    expect(all.length - noise.length).toBe(items.length);
    expectHarmless(adaptation);
    expect(adaptation.evidence?.measured?.heldOut.unwantedFactor?.interval?.[1]).toBeLessThan(0.1);
  });

  it('of all clients does base text no harm', async () => {
    expectHarmless(
      await adapt(
        'all',
        makeNoise(300, (at) => `client-${at % 30}`),
      ),
    );
  });
});
