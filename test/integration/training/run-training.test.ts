import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { countParameters } from '../../../src/models/parameters.ts';
import { presetConfig } from '../../../src/models/presets.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Recipe } from '../../../src/training/recipe.ts';
import type { StepReport } from '../../../src/training/trainer.ts';
import { runTraining, type TrainedRun, type TrainingRunOptions } from '../../../src/training/training-run-file.ts';
import { countDifferentBits } from '../../unit/training/toy-model.ts';
import { prepareToyRun, type ToyRun } from './toy-run.ts';

let toy: ToyRun;
let whole: TrainedRun;
let wholeDir: string;
const stages: string[] = [];
const reports: StepReport[] = [];
const cacheBefore = process.env['ITERA_CACHE_DIR'];

/** Starts a run and forgets its native session; the weights stay. */
async function start(
  options: Partial<TrainingRunOptions> & { runDir: string },
  recipe = toy.recipe,
): Promise<TrainedRun> {
  const run = await runTraining(recipe, { resume: false, threads: 1, ...options });
  await run.stepper.release();
  return run;
}

beforeAll(async () => {
  toy = await prepareToyRun();
  process.env['ITERA_CACHE_DIR'] = join(toy.folder, 'cache');
  wholeDir = join(toy.folder, 'whole');
  whole = await start({
    runDir: wholeDir,
    onStage: (stage) => stages.push(stage),
    onStep: (report) => reports.push(report),
  });
});
afterAll(async () => {
  if (cacheBefore === undefined) delete process.env['ITERA_CACHE_DIR'];
  else process.env['ITERA_CACHE_DIR'] = cacheBefore;
  await rm(toy.folder, { recursive: true });
});

/** A folder of its own that holds what an earlier run left. */
async function copyOf(runDir: string, name: string): Promise<string> {
  const copy = join(toy.folder, name);
  await cp(runDir, copy, { recursive: true });
  return copy;
}

/** Stops after a step, as Ctrl-C does. */
async function stopAt(step: number, runDir: string, recipe: Recipe = toy.recipe): Promise<TrainedRun> {
  const controller = new AbortController();
  const onStep = (report: StepReport) => {
    if (report.step === step) controller.abort();
  };
  return start({ runDir, signal: controller.signal, onStep }, recipe);
}

describe('runTraining', () => {
  it('refuses a folder that another run is writing to, which goes on', async () => {
    const runDir = join(toy.folder, 'busy');
    let second: Promise<unknown> | undefined;
    const first = await start({
      runDir,
      onStep: ({ step }) => {
        if (step === 2) second = start({ runDir }).catch((error: unknown) => error);
      },
    });
    expect(await second).toMatchObject({ code: 'RUN_IN_PROGRESS', message: expect.stringContaining('--run-dir') });
    expect(countDifferentBits(first.stepper.parameters.data, whole.stepper.parameters.data)).toBe(0);
    expect(await readdir(runDir)).not.toContain('.lock');
  });

  it('takes all steps of the recipe on a text file, and says what it is doing', () => {
    expect(whole.finished).toBe(true);
    expect(whole.progress.step).toBe(10);
    expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(stages).toEqual([
      'reading texts',
      'training the tokenizer',
      'encoding texts',
      'building the training graph',
      'training',
    ]);
    expect(reports[0]?.loss).toBeGreaterThan(4.5);
    expect(reports[9]?.loss).toBeLessThan((reports[0]?.loss as number) - 0.3);
    expect(whole.progress.losses).toHaveLength(1);
  });

  it('tells its source, with its hash and size', () => {
    expect(whole.sources).toEqual([
      {
        dataset: 'tiny.txt',
        split: 'train',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        tokens: expect.any(Number),
        documents: 5,
        weight: 1,
      },
    ]);
    expect(whole.sources[0]?.tokens).toBeGreaterThan(500);
  });

  it('validates on documents of the text that it does not train on', () => {
    expect(whole.progress.validations.map(({ step, name }) => [step, name])).toEqual([
      [4, 'tiny.txt'],
      [8, 'tiny.txt'],
      [10, 'tiny.txt'],
    ]);
  });

  it('makes a tokenizer and weights that together are a model folder', async () => {
    const tokenizer = createTokenizer(whole.tokenizerJson, whole.tokenizerConfig);
    expect(tokenizer.vocabSize).toBe(300);
    const config = presetConfig('micro', 300);
    expect(whole.stepper.parameters.data).toHaveLength(countParameters(config).total);
    const dir = join(toy.folder, 'model');
    const { tokenizerJson, tokenizerConfig, stepper } = whole;
    await writeModelFolder(dir, {
      config,
      tokenizerJson,
      tokenizerConfig,
      weights: stepper.parameters.views,
      itera: undefined,
    });
    const read = await readModelFolder(dir);
    expect(read.weights.get('model.norm.weight')?.data).toEqual(
      stepper.parameters.views.get('model.norm.weight')?.data,
    );
  });

  it('leaves the tokenizer and one checkpoint in its folder, and nothing half-written', async () => {
    expect((await readdir(wholeDir)).sort()).toEqual([
      'checkpoint.safetensors',
      'loss.svg',
      'tokenizer.json',
      'validation.svg',
    ]);
  });

  it('gives the same weights again', async () => {
    const again = await start({ runDir: join(toy.folder, 'again') });
    expect(countDifferentBits(again.stepper.parameters.data, whole.stepper.parameters.data)).toBe(0);
    expect(again.progress).toEqual(whole.progress);
  });

  it('gives others with another seed', async () => {
    const other = await start({ runDir: join(toy.folder, 'seed') }, { ...toy.recipe, seed: 4, steps: 1 });
    expect(countDifferentBits(other.stepper.parameters.data, whole.stepper.parameters.data)).toBeGreaterThan(1000);
  });
});

describe('a run that was stopped', () => {
  it.each([0, 3, 8])('after step %i and resumed ends with the same weights and progress', async (step) => {
    const runDir = join(toy.folder, `stopped-${step}`);
    const controller = new AbortController();
    const stopped =
      step > 0
        ? await stopAt(step, runDir)
        : await start({
            runDir,
            signal: controller.signal,
            onStage: (stage) => stage === 'training' && controller.abort(),
          });
    expect(stopped.finished).toBe(false);
    expect(stopped.progress.step).toBe(step);
    const resumed = await start({ runDir, resume: true });
    expect(resumed.finished).toBe(true);
    expect(countDifferentBits(resumed.stepper.parameters.data, whole.stepper.parameters.data)).toBe(0);
    expect(resumed.progress).toEqual(whole.progress);
    expect(resumed.tokenizerJson).toEqual(whole.tokenizerJson);
  });

  it('is aborted before the first step if that is when it was stopped', async () => {
    const runDir = join(toy.folder, 'early');
    await expect(start({ runDir, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await start({ runDir }, { ...toy.recipe, steps: 1 })).finished).toBe(true);
  });

  it('makes a lost tokenizer again, and refuses a damaged one', async () => {
    const runDir = await copyOf(wholeDir, 'tokenizer');
    await rm(join(runDir, 'tokenizer.json'));
    expect((await start({ runDir, resume: true })).tokenizerJson).toEqual(whole.tokenizerJson);
    for (const content of ['{"tokenizerJson": ', '{}', 'null']) {
      await writeFile(join(runDir, 'tokenizer.json'), content);
      await expect(start({ runDir, resume: true })).rejects.toMatchObject({
        code: 'CHECKPOINT_INVALID',
        message: expect.stringContaining('tokenizer.json'),
      });
    }
  });

  it.each<[string, (recipe: Recipe) => Recipe]>([
    ['steps', (recipe) => ({ ...recipe, steps: 20 })],
    ['learning rate', (recipe) => ({ ...recipe, learningRate: 0.02 })],
    ['model', (recipe) => ({ ...recipe, preset: 'micro-transformer' })],
    ['seed', (recipe) => ({ ...recipe, seed: 9 })],
  ])('is not resumed with another %s', async (_, change) => {
    await expect(start({ runDir: wholeDir, resume: true }, change(toy.recipe))).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
    });
  });

  it.each<[string, (text: string) => string]>([
    ['that is longer', (text) => `${text} And they slept.`],
    [
      'of the same length in another order',
      (text) => text.split('\n<|endoftext|>\n').reverse().join('\n<|endoftext|>\n'),
    ],
  ])('is not resumed on a text %s', async (_, change) => {
    const text = await readFile(toy.textPath, 'utf8');
    await writeFile(toy.textPath, change(text));
    try {
      await expect(start({ runDir: wholeDir, resume: true })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
    } finally {
      await writeFile(toy.textPath, text);
    }
  });

  it('is not resumed from a damaged checkpoint', async () => {
    const runDir = await copyOf(wholeDir, 'damaged');
    const path = join(runDir, 'checkpoint.safetensors');
    const bytes = await readFile(path);
    bytes[bytes.length - 9] = (bytes.at(-9) as number) ^ 4;
    await writeFile(path, bytes);
    await expect(start({ runDir, resume: true })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
  });

  it('is not resumed where there is none, and no folder is made', async () => {
    const runDir = join(toy.folder, 'misspelt');
    await expect(start({ runDir, resume: true })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining(runDir),
    });
    expect(await readdir(toy.folder)).not.toContain('misspelt');
  });
});

describe('a run is refused', () => {
  it('in a folder that holds a checkpoint, unless it is resumed', async () => {
    const before = await readFile(join(wholeDir, 'checkpoint.safetensors'));
    await expect(start({ runDir: wholeDir })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/already holds a checkpoint.*--resume/),
    });
    expect((await readFile(join(wholeDir, 'checkpoint.safetensors'))).equals(before)).toBe(true);
  });

  it('where its folder cannot be made', async () => {
    await expect(start({ runDir: join(toy.textPath, 'run') })).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining(join(toy.textPath, 'run')),
    });
  });

  it('where the tokenizer cannot be written', async () => {
    const runDir = join(toy.folder, 'blocked');
    await mkdir(join(runDir, 'tokenizer.json'), { recursive: true });
    await expect(start({ runDir })).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining('tokenizer.json'),
    });
  });

  it('on a text that is too short, unknown or empty', async () => {
    const on = async (name: string, text: string | undefined) => {
      const dataset = join(toy.folder, name);
      if (text !== undefined) await writeFile(dataset, text);
      return start({ runDir: join(toy.folder, `run-${name}`) }, { ...toy.recipe, mixture: [{ dataset, weight: 1 }] });
    };
    await expect(on('short.txt', 'Too short.')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(on('none.txt', undefined)).rejects.toMatchObject({ code: 'DATASET_UNKNOWN' });
    await expect(on('empty.txt', ' \n ')).rejects.toMatchObject({ code: 'TEXT_EMPTY' });
  });
});
