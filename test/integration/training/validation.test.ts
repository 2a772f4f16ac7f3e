import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type * as Registry from '../../../src/data/dataset-registry.ts';
import { splitDocuments } from '../../../src/data/documents.ts';
import { scoreDocuments } from '../../../src/evaluation/document-loss.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Recipe } from '../../../src/training/recipe.ts';
import type { ValidationPoint } from '../../../src/training/trainer.ts';
import { runTraining } from '../../../src/training/training-run-file.ts';
import { prepareToyRun, type ToyRun } from './toy-run.ts';

// The valid splits of real datasets must be the published files; this one may be any.
vi.mock('../../../src/data/dataset-registry.ts', async (importOriginal) => {
  const original = await importOriginal<typeof Registry>();
  const entry: Registry.DatasetEntry = {
    name: 'toy-tales',
    description: 'for this test',
    splits: ['train', 'valid'],
    separator: { train: 'endoftext', valid: 'endoftext' },
    licence: 'CC0-1.0',
    source: 'this test',
    bundled: false,
    sha256: {},
  };
  return {
    ...original,
    findDatasetEntry: (name: string) => (name === entry.name ? entry : original.findDatasetEntry(name)),
  };
});

let toy: ToyRun;
let dataDir: string;
let recipe: Recipe;
const cacheBefore = process.env['ITERA_CACHE_DIR'];

beforeAll(async () => {
  toy = await prepareToyRun();
  process.env['ITERA_CACHE_DIR'] = join(toy.folder, 'cache');
  dataDir = join(toy.folder, 'data');
  await mkdir(join(dataDir, 'toy-tales'), { recursive: true });
  const documents = (await readFile(toy.textPath, 'utf8')).split('\n<|endoftext|>\n');
  await writeFile(join(dataDir, 'toy-tales', 'train.txt'), documents.slice(0, 4).join('\n<|endoftext|>\n'));
  await writeFile(join(dataDir, 'toy-tales', 'valid.txt'), documents.slice(4).join('\n<|endoftext|>\n'));
  recipe = { ...toy.recipe, mixture: [{ dataset: 'toy-tales', weight: 1 }] };
});
afterAll(async () => {
  if (cacheBefore === undefined) delete process.env['ITERA_CACHE_DIR'];
  else process.env['ITERA_CACHE_DIR'] = cacheBefore;
  await rm(toy.folder, { recursive: true });
});

describe('validation during training', () => {
  it('scores the valid split every so many steps and at the end, with the weights of the moment', async () => {
    const heard: ValidationPoint[] = [];
    const { progress, stepper, config, tokenizerJson, tokenizerConfig, sources } = await runTraining(recipe, {
      runDir: join(toy.folder, 'run'),
      resume: false,
      threads: 1,
      dataDir,
      onValidation: (points) => heard.push(...points),
    });
    await stepper.release();
    expect(sources[0]).toMatchObject({ dataset: 'toy-tales', split: 'train', documents: 4 });
    expect(progress.validations.map(({ step, name }) => [step, name])).toEqual([
      [4, 'toy-tales'],
      [8, 'toy-tales'],
      [10, 'toy-tales'],
    ]);
    expect(heard).toEqual(progress.validations);

    const scorer = await createTokenScorer(buildInferenceGraph(config, stepper.parameters.views), config);
    const valid = splitDocuments(await readFile(join(dataDir, 'toy-tales', 'valid.txt'), 'utf8'), 'endoftext');
    const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
    const losses = await scoreDocuments(valid, tokenizer, scorer, { contextLength: 64, stride: 32, batchSize: 5 });
    await scorer.release();
    const sum = (part: 'nats' | 'bytes') => losses.reduce((total, loss) => total + loss[part], 0);
    expect(progress.validations.at(-1)?.bitsPerByte).toBeCloseTo(sum('nats') / Math.log(2) / sum('bytes'), 4);
    const [first, , last] = progress.validations;
    expect(last?.bitsPerByte).toBeLessThan(first?.bitsPerByte as number);
  });

  it('is left out where the dataset has no valid split on this machine', async () => {
    await rm(join(dataDir, 'toy-tales', 'valid.txt'));
    const options = { runDir: join(toy.folder, 'alone'), resume: false, threads: 1, dataDir };
    const { progress, stepper } = await runTraining({ ...recipe, steps: 2 }, options);
    await stepper.release();
    expect(progress).toMatchObject({ step: 2, validations: [] });
  });
});
