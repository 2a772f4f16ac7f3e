import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../../src/adaptation/learning/example.ts';
import { scoreExamples } from '../../../src/adaptation/learning/example-loss.ts';
import { type Learned, type LearningSettings, learnExamples } from '../../../src/adaptation/learning/learning.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { type ModelFolder, readModelFolder } from '../../../src/models/model-folder-file.ts';
import { createModelTokenizer } from '../../../src/runtime/model.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';

let base: ModelFolder;
beforeAll(async () => {
  base = await readModelFolder('models/itera-lite-micro');
});

const animals = ['dog', 'cat', 'bird', 'fish', 'frog', 'bear', 'duck', 'fox', 'hen', 'pig', 'cow', 'bee'];
const examples = animals.map(
  (animal, at): Example => ({
    id: `${at}`,
    prompt: `The ${animal} went to the park. In the park`,
    wanted: ' there was a purple balloon.',
    unwanted: ' it was very happy.',
  }),
);
const settings: LearningSettings = {
  ...{ learningRate: 5e-4, steps: 12, batchRows: 8, avoidWeight: 0.2, followWeight: 20 },
  ...{ replayRows: 40, forgettingBound: 0.02, seed: 3 },
};
const learn = (change: Partial<LearningSettings> = {}, threads = 1): Promise<Learned> =>
  learnExamples(base, examples.slice(0, 8), examples.slice(8, 10), { ...settings, ...change }, { threads });

async function score(weights: ReadonlyMap<string, Tensor>) {
  const scorer = await createTokenScorer(buildInferenceGraph(base.config, weights), base.config, { threads: 1 });
  const losses = await scoreExamples(examples.slice(10), createModelTokenizer(base), scorer);
  await scorer.release();
  return losses;
}

describe('learnExamples', () => {
  it('makes wanted answers more probable and unwanted ones less, on prompts that it has not seen', async () => {
    const { best, points, rows } = await learn();
    expect(rows).toEqual({ wanted: 8, unwanted: 8, replay: 32 });
    expect(points[0]).toMatchObject({ step: 0, replayRatio: 1 });
    const [before, after] = [await score(base.weights), await score(best?.weights ?? new Map())];
    for (const [at, old] of before.entries()) {
      expect(after[at]?.wantedNats).toBeLessThan(0.8 * old.wantedNats);
      expect(after[at]?.unwantedNats).toBeGreaterThan(old.unwantedNats);
    }
  });

  it('gives the same bits again, on one thread and on two', async () => {
    const [one, again, two] = [await learn(), await learn(), await learn({}, 2)];
    const name = 'model.embed_tokens.weight';
    expect(again.best?.weights.get(name)?.data).toEqual(one.best?.weights.get(name)?.data);
    expect(two.points).toEqual(one.points);
  });

  it('takes no weights that forget more than is allowed, and holds on to itself the more', async () => {
    const { best, points } = await learn({ forgettingBound: -0.5 });
    expect(best?.step).toBeUndefined();
    expect(points.at(-1)?.followWeight).toBeGreaterThan(settings.followWeight);
    expect(points.length).toBeLessThan(13);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    const run = learnExamples(base, examples, examples, settings, { threads: 1, signal });
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
