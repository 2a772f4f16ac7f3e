import { describe, expect, it } from 'vitest';
import { fineTuningRecipe } from '../../../src/training/fine-tuning-recipe.ts';
import { parseRecipe } from '../../../src/training/recipe.ts';

const texts = (...sizes: number[]) => sizes.map((bytes, index) => ({ dataset: `${index}.txt`, bytes }));

describe('fineTuningRecipe', () => {
  it('is a recipe for every size of text and every choice', () => {
    for (const bytes of [0, 1, 1000, 1e6, 1e12]) {
      for (const choices of [{}, { steps: 1 }, { batchSize: 1, sequenceLength: 2 }, { batchSize: 6, seed: 0 }]) {
        const recipe = fineTuningRecipe({ name: 'tuned', texts: texts(bytes, bytes) }, choices);
        expect(parseRecipe(recipe, { startsFromModel: true })).toMatchObject(choices);
      }
    }
  });

  it('reads the texts about three times, in proportion to their size', () => {
    const { steps, mixture } = fineTuningRecipe({ name: 'tuned', texts: texts(3_000_000, 1_000_000) });
    expect(steps).toBe(Math.ceil(4_000_000 / (16 * 256)));
    expect(mixture.map(({ weight }) => weight)).toEqual([0.75, 0.25]);
  });

  it('keeps steps within bounds unless they are chosen', () => {
    expect(fineTuningRecipe({ name: 'tuned', texts: texts(100) }).steps).toBe(20);
    expect(fineTuningRecipe({ name: 'tuned', texts: texts(1e9) }).steps).toBe(2000);
    expect(fineTuningRecipe({ name: 'tuned', texts: texts(1e9) }, { steps: 5000 }).steps).toBe(5000);
  });
});
