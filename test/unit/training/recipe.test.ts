import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { presetConfig, presets } from '../../../src/models/presets.ts';
import { parseRecipe, type Recipe } from '../../../src/training/recipe.ts';

const good: Recipe = {
  name: 'toy',
  preset: 'micro',
  tokenizer: { vocabSize: 300 },
  mixture: [{ dataset: 'some.txt', weight: 1 }],
  batchSize: 2,
  sequenceLength: 32,
  seed: 1,
  steps: 10,
  warmupSteps: 2,
  decayShare: 0.4,
  finalShare: 0.01,
  learningRate: 0.004,
  beta1: 0.9,
  beta2: 0.97,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  balanceWeight: 0.01,
  validateEvery: 5,
  validationDocuments: 3,
  checkpointEvery: 4,
};

const distillation = { teacher: 'models/large', temperature: 1, weight: 0.5, topK: 16 };

/** Values outside each number's range, just outside first; fractions where a whole number is wanted. */
const outOfRange: Readonly<Record<string, readonly number[]>> = {
  batchSize: [0, -1, 1.5],
  sequenceLength: [1, 0, 2.5],
  seed: [-1, 0.5, 2 ** 31, 1e300],
  steps: [0, -5, 1.5],
  warmupSteps: [-1, 0.5],
  decayShare: [-0.01, 1.01],
  finalShare: [-0.01, 1.01],
  learningRate: [0, 1, -0.1],
  // At 1 the bias correction divides by 0.
  beta1: [-0.1, 1, 2],
  beta2: [-0.1, 1, 2],
  epsilon: [0, -1e-8],
  weightDecay: [-0.1],
  clipNorm: [0, -1],
  balanceWeight: [-0.1],
  validateEvery: [0, 1.5],
  validationDocuments: [0, 1.5],
  checkpointEvery: [0, 1.5],
};

/** The smallest and largest values that are allowed. */
const atTheEnds: Readonly<Record<string, readonly number[]>> = {
  batchSize: [1],
  sequenceLength: [2],
  seed: [0, 2 ** 31 - 1],
  steps: [1],
  warmupSteps: [0],
  decayShare: [0, 1],
  finalShare: [0, 1],
  learningRate: [1e-9, 0.999],
  beta1: [0, 0.999],
  beta2: [0, 0.999],
  weightDecay: [0],
  balanceWeight: [0],
  validateEvery: [1],
  checkpointEvery: [1],
};

function refusalOf(recipe: unknown): { code: string; message: string } {
  try {
    parseRecipe(recipe);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error(`Expected a refusal of ${JSON.stringify(recipe)}.`);
}

/** Refused with the right code, the message naming the field as a word of its own. */
function expectRefusal(recipe: unknown, field: string): void {
  const { code, message } = refusalOf(recipe);
  expect({ code, message }).toEqual({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(new RegExp(`^Recipe: ${field.replaceAll('.', '\\.')} `)),
  });
}

describe('parseRecipe', () => {
  it('returns a good recipe as it is', () => {
    expect(parseRecipe(good)).toEqual(good);
  });

  it('takes sizes of its own, and refuses those that do not go together', () => {
    const model = { layers: ['mamba', 'attention'], hiddenSize: 96, mambaNHeads: 6 };
    expect(parseRecipe({ ...good, model })).toMatchObject({ model });
    expect(refusalOf({ ...good, model: { mambaNHeads: 7 } }).message).toBe(
      'Recipe: model has sizes that do not go together: mamba_d_head must be a whole number from 1 to 65536, or "auto", ' +
        'and comes to 18.285714285714285. Correct the recipe file.',
    );
    expect(refusalOf({ ...good, model: { depth: 3 } }).message).toContain('depth');
    const other = refusalOf({ ...good, model: { layers: ['mamba', 'lstm'] } }).message;
    expect(other).toBe('Recipe: model.layers.1 must be one of mamba, attention, got "lstm". Correct the recipe file.');
    const huge = refusalOf({ ...good, model: { hiddenSize: 65536 } });
    expect(huge).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('at most 100000000 param') });
    const { preset: _, ...without } = good;
    expect(() => parseRecipe({ ...without, model }, { startsFromModel: true })).toThrow(/needs a preset/);
  });

  it('accepts every recipe that this repository ships, and the presets they name', () => {
    const folder = new URL('../../../recipes/', import.meta.url);
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      // A number says that the recipe trains on what the one before it made.
      const startsFromModel = /-\d\.json$/.test(file);
      const recipe = parseRecipe(JSON.parse(readFileSync(new URL(file, folder), 'utf8')), { startsFromModel });
      expect(`${recipe.name}.json`).toBe(file.replace(/-\d\.json$/, '.json'));
      // Budgets count the preset's own vocabulary.
      if (recipe.tokenizer) expect(recipe.tokenizer.vocabSize).toBe(presetConfig(recipe.preset ?? '').vocabSize);
    }
  });

  it.each(Object.keys(good))('wants %s', (field) => {
    const { [field]: _, ...rest } = good as unknown as Record<string, unknown>;
    expectRefusal(rest, field);
  });

  it('needs no preset and tokenizer where a model gives them', () => {
    const { preset: _, tokenizer: __, ...rest } = good;
    expect(parseRecipe(rest, { startsFromModel: true })).toEqual(rest);
    const taught = { ...rest, preset: 'micro', distillation };
    expect(parseRecipe(taught)).toEqual(taught);
    expectRefusal({ ...rest, distillation }, 'preset');
    expect(() => parseRecipe(rest)).toThrow(/preset is missing, and no model to start from is named/);
  });

  it('says what came also where JSON has no way to write it', () => {
    const recipe = { ...good, learningRate: JSON.parse('1e999') };
    expect(refusalOf(recipe).message).toMatch(/^Recipe: learningRate .*, got Infinity\./);
  });

  it('averages with the first weights only where there are any', () => {
    const recipe = { ...good, initShare: 0.5 };
    expect(parseRecipe(recipe, { startsFromModel: true })).toEqual(recipe);
    expect(refusalOf(recipe).message).toMatch(/^Recipe: initShare needs a model to start from/);
    for (const initShare of [-0.1, 1, 1.5, '0.5', null]) expectRefusal({ ...recipe, initShare }, 'initShare');
  });

  it.each<[string, unknown]>([
    ['teacher', ''],
    ['teacher', 5],
    ['teacher', []],
    ['teacher', ['']],
    ['teacher', Array.from({ length: 9 }, (_, index) => `models/large-${index}`)],
    ['teacher', ['models/large', 'models/large']],
    ['temperature', 0],
    ['temperature', 101],
    ['weight', -0.1],
    ['weight', 1.1],
    ['topK', 0],
    ['topK', 1.5],
    ['topK', 1025],
    ['top', 3],
  ])('refuses a distillation whose %s is %j', (field, value) => {
    expectRefusal({ ...good, distillation: { ...distillation, [field]: value } }, `distillation.${field}`);
  });

  it('says how many teachers there may be', () => {
    const { message } = refusalOf({ ...good, distillation: { ...distillation, teacher: [] } });
    expect(message).toContain('must be a model folder, or a list of 1 to 8 different ones, got []');
  });

  it.each(Object.keys(distillation))('wants the %s of a distillation', (field) => {
    const { [field]: _, ...rest } = distillation as Record<string, unknown>;
    expectRefusal({ ...good, distillation: rest }, `distillation.${field}`);
  });

  it.each(Object.keys(good))('refuses %s of another type', (field) => {
    for (const value of [null, true, { a: 1 }, typeof good[field as keyof Recipe] === 'string' ? 3 : '3']) {
      expectRefusal(
        { ...good, [field]: value },
        field === 'tokenizer' && typeof value === 'object' && value ? 'tokenizer.vocabSize' : field,
      );
    }
  });

  it('has a range to test for every number', () => {
    const numbers = Object.entries(good).filter(([, value]) => typeof value === 'number');
    expect(Object.keys(outOfRange).sort()).toEqual(numbers.map(([field]) => field).sort());
  });

  it.each(Object.entries(outOfRange))('refuses %s out of range', (field, values) => {
    for (const value of [...values, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expectRefusal({ ...good, [field]: value }, field);
    }
  });

  it.each(Object.entries(atTheEnds))('accepts %s at the ends of its range', (field, values) => {
    for (const value of values) expect(parseRecipe({ ...good, [field]: value })).toMatchObject({ [field]: value });
  });

  it('takes Muon with a learning rate and momentum of its own, or without', () => {
    const muon = { optimizer: 'muon', muonLearningRate: 0.01, muonMomentum: 0.9 };
    for (const change of [muon, { optimizer: 'muon' }, { optimizer: 'adamw' }]) {
      expect(parseRecipe({ ...good, ...change })).toMatchObject(change);
    }
  });

  it.each<[string, unknown]>([
    ['optimizer', 'sgd'],
    ['optimizer', 3],
    ['muonLearningRate', 0],
    ['muonLearningRate', 1],
    ['muonMomentum', -0.1],
    ['muonMomentum', 1],
  ])('refuses %s %j', (field, value) => {
    expectRefusal({ ...good, optimizer: 'muon', [field]: value }, field);
  });

  it.each([{ muonLearningRate: 0.01 }, { muonMomentum: 0.9, optimizer: 'adamw' }])(
    'refuses %j: not for AdamW',
    (change) => {
      expectRefusal({ ...good, ...change }, Object.keys(change)[0] as string);
    },
  );

  it('names the optimisers there are', () => {
    expect(refusalOf({ ...good, optimizer: 'sgd' }).message).toContain('adamw, muon, got "sgd"');
  });

  it.each([256, 65537, 300.5, '300'])('refuses a vocabulary of %s', (vocabSize) => {
    expectRefusal({ ...good, tokenizer: { vocabSize } }, 'tokenizer.vocabSize');
  });

  it.each(['', 'Upper', 'a/b', '../up', '-a', 'a b', 'a\n'])('refuses the name %j', (name) => {
    expectRefusal({ ...good, name }, 'name');
  });

  it('refuses an unknown preset and lists the known ones', () => {
    for (const preset of ['nope', '', 'toString', 'Micro']) expectRefusal({ ...good, preset }, 'preset');
    for (const preset of Object.keys(presets)) expect(refusalOf({ ...good, preset: 'nope' }).message).toContain(preset);
  });

  it.each<[string, unknown, string]>([
    ['nothing to train on', [], 'mixture'],
    ['a part without weight', [{ dataset: 'a' }], 'mixture.0.weight'],
    ['a part without dataset', [{ weight: 1 }], 'mixture.0.dataset'],
    [
      'a second part of weight 0',
      [
        { dataset: 'a', weight: 1 },
        { dataset: 'b', weight: 0 },
      ],
      'mixture.1.weight',
    ],
    // Reads as 1e999 in a file.
    ['endless weight', [{ dataset: 'a', weight: Number.POSITIVE_INFINITY }], 'mixture.0.weight'],
    ['a part with more fields', [{ dataset: 'a', weight: 1, share: 2 }], 'mixture.0.share'],
    ['a name instead of a part', ['tinystories'], 'mixture.0'],
  ])('refuses a mixture with %s', (_, mixture, field) => {
    expectRefusal({ ...good, mixture }, field);
  });

  it('refuses fields it does not know, at every level', () => {
    expectRefusal({ ...good, learningrate: 1 }, 'learningrate');
    expectRefusal({ ...good, tokenizer: { vocabSize: 300, minFrequency: 2 } }, 'tokenizer.minFrequency');
  });

  it.each([[null], [undefined], [5], ['recipe'], [[]], [[good]]])('refuses %j in place of a recipe', (value) => {
    expect(refusalOf(value).code).toBe('CONFIG_INVALID');
  });
});
