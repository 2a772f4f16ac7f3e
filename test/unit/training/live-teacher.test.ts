import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { askTeacher } from '../../../src/training/live-teacher.ts';
import { createTeacher, type Teacher } from '../../../src/training/teacher.ts';
import { createToySampler, createToyStepper, toyConfig } from './toy-model.ts';

const config = toyConfig();
const weights = initializeWeights(config, createRandom(1, 1));
const topK = 300;
let teacher: Teacher;
beforeAll(async () => {
  teacher = await createTeacher(config, weights, { topK, vocabSize: 300 });
});
afterAll(() => teacher.release());

describe('asking a teacher about a batch', () => {
  it('gives probabilities of different tokens that sum to 1 where all tokens are asked for', async () => {
    const batch = createToySampler().next();
    const { ids, weights: probabilities, targetWeights } = await askTeacher(teacher, batch);
    for (let start = 0; start < ids.length; start += topK) {
      expect(new Set(ids.subarray(start, start + topK)).size).toBe(topK);
      expect(probabilities.subarray(start, start + topK).reduce((a, b) => a + b)).toBeCloseTo(1, 4);
    }
    expect(targetWeights.every((weight) => weight === 0)).toBe(true);
  });

  it('sees what a student of its weights sees: their divergence is 0', async () => {
    const distillation = { weight: 1, temperature: 1, topK };
    const stepper = await createToyStepper({ distillation });
    const batch = createToySampler().next();
    const { divergence } = await stepper.step(batch, 0, await askTeacher(teacher, batch));
    await stepper.release();
    expect(divergence).toBeLessThan(1e-5);
  });

  it('says where the true token is not among those it names', async () => {
    const few = await createTeacher(config, weights, { topK: 4, vocabSize: 300 });
    const batch = createToySampler().next();
    const { ids, targetWeights } = await askTeacher(few, batch);
    await few.release();
    const missing = Array.from(batch.targets, (target, at) =>
      ids.subarray(4 * at, 4 * at + 4).includes(target) ? 0 : 1,
    );
    expect([...targetWeights]).toEqual(missing);
    expect(missing).toContain(1);
  });
});
