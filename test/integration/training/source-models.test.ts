import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import type { Recipe } from '../../../src/training/recipe.ts';
import type { TeacherProgress } from '../../../src/training/run-teacher-file.ts';
import type { StepReport } from '../../../src/training/trainer.ts';
import { runTraining, type TrainedRun, type TrainingRunOptions } from '../../../src/training/training-run-file.ts';
import { countDifferentBits } from '../../unit/training/toy-model.ts';
import { command } from '../cli/command-line.ts';
import { prepareToyRun, type ToyRun } from './toy-run.ts';

let toy: ToyRun;
let teacher: TrainedRun;
let teacherDir: string;
const cacheBefore = process.env['ITERA_CACHE_DIR'];

async function start(name: string, recipe: Recipe, options: Partial<TrainingRunOptions> = {}): Promise<TrainedRun> {
  const run = await runTraining(recipe, { runDir: join(toy.folder, name), resume: false, threads: 1, ...options });
  await run.stepper.release();
  return run;
}

async function store(run: TrainedRun, name: string): Promise<string> {
  const dir = join(toy.folder, name);
  const { config, tokenizerJson, tokenizerConfig, stepper } = run;
  const weights = stepper.parameters.views;
  await writeModelFolder(dir, { config, weights, tokenizerJson, tokenizerConfig, itera: { name: 'the-teacher' } });
  return dir;
}

/** Without preset and tokenizer: both come from another model. */
function withoutModel({ preset: _, tokenizer: __, ...recipe }: Recipe): Recipe {
  return recipe;
}

beforeAll(async () => {
  toy = await prepareToyRun({ steps: 20 });
  process.env['ITERA_CACHE_DIR'] = join(toy.folder, 'cache');
  teacher = await start('teacher', toy.recipe);
  teacherDir = await store(teacher, 'teacher-model');
});
afterAll(async () => {
  if (cacheBefore === undefined) delete process.env['ITERA_CACHE_DIR'];
  else process.env['ITERA_CACHE_DIR'] = cacheBefore;
  await rm(toy.folder, { recursive: true });
});

describe('a run that starts from a model', () => {
  it('has its weights, configuration and tokenizer, and says so', async () => {
    const recipe = withoutModel({ ...toy.recipe, steps: 1, learningRate: 1e-9, weightDecay: 0 });
    const run = await start('init', recipe, { init: teacherDir });
    const { sha256 } = await readModelFolder(teacherDir);
    expect(run).toMatchObject({
      config: teacher.config,
      tokenizerJson: teacher.tokenizerJson,
      init: { name: 'the-teacher', sha256: sha256['model.safetensors'] },
    });
    const [before, after] = [teacher.stepper.parameters.data, run.stepper.parameters.data];
    const furthest = after.reduce(
      (most, value, index) => Math.max(most, Math.abs(value - (before[index] as number))),
      0,
    );
    expect(furthest).toBeLessThan(1e-6);
    // Measured before the first step, so that what training changed can be seen.
    expect(run.progress.validations[0]).toEqual({ ...teacher.progress.validations.at(-1), step: 0 });
  });

  it('is resumed to the same bits, and only from the same model', async () => {
    const recipe = withoutModel({ ...toy.recipe, steps: 6, checkpointEvery: 2 });
    const whole = await start('init-whole', recipe, { init: teacherDir });
    const controller = new AbortController();
    const onStep = ({ step }: StepReport) => step === 3 && controller.abort();
    await start('init-stopped', recipe, { init: teacherDir, signal: controller.signal, onStep });
    const otherDir = await store(whole, 'other-model');
    await expect(start('init-stopped', recipe, { init: otherDir, resume: true })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
    });
    const resumed = await start('init-stopped', recipe, { init: teacherDir, resume: true });
    expect(countDifferentBits(resumed.stepper.parameters.data, whole.stepper.parameters.data)).toBe(0);
    expect(resumed.progress).toEqual(whole.progress);
  });

  it('ends with the mean of its first and last weights, of which a later call may choose the shares anew', async () => {
    const recipe = withoutModel({ ...toy.recipe, steps: 6, checkpointEvery: 2, validateEvery: 6 });
    const plain = await start('mean-none', recipe, { init: teacherDir });
    const first = teacher.stepper.parameters.data;
    const meanOf = (share: number) =>
      plain.stepper.parameters.data.map((last, index) => share * (first[index] as number) + (1 - share) * last);
    const controller = new AbortController();
    const onStep = ({ step }: StepReport) => step === 3 && controller.abort();
    const share = { init: teacherDir, resume: true } as const;
    const stopped = await start(
      'mean',
      { ...recipe, initShare: 0.25 },
      { init: teacherDir, signal: controller.signal, onStep },
    );
    expect(stopped.finished).toBe(false);
    const seen: number[] = [];
    const mean = await start(
      'mean',
      { ...recipe, initShare: 0.25 },
      { ...share, onValidation: (points) => seen.push(...points.map(({ bitsPerByte }) => bitsPerByte)) },
    );
    expect(countDifferentBits(mean.stepper.parameters.data, meanOf(0.25))).toBe(0);
    // The last point of the curve is that of the mean, after that of the last step's weights.
    const { validations } = mean.progress;
    expect(validations.map(({ step, initShare }) => [step, initShare])).toEqual([
      [0, undefined],
      [6, undefined],
      [6, 0.25],
    ]);
    expect(validations.slice(0, 2)).toEqual(plain.progress.validations);
    expect(seen).toEqual(validations.slice(1).map(({ bitsPerByte }) => bitsPerByte));
    expect(validations[2]?.bitsPerByte).not.toBe(validations[1]?.bitsPerByte);

    const other = await start('mean', { ...recipe, initShare: 0.75 }, share);
    expect(countDifferentBits(other.stepper.parameters.data, meanOf(0.75))).toBe(0);
    const none = await start('mean', recipe, share);
    expect(countDifferentBits(none.stepper.parameters.data, plain.stepper.parameters.data)).toBe(0);
  });

  it('may state the preset and size of vocabulary that the model has, no others', async () => {
    const recipe = { ...toy.recipe, steps: 1 };
    await expect(start('same', recipe, { init: teacherDir })).resolves.toMatchObject({ finished: true });
    const other = start('preset', { ...recipe, preset: 'small' }, { init: teacherDir });
    await expect(other).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('small') });
    const tokenizer = start('vocab', { ...recipe, tokenizer: { vocabSize: 301 } }, { init: teacherDir });
    await expect(tokenizer).rejects.toMatchObject({ code: 'TOKENIZER_MISMATCH' });
  });

  it('is refused before anything is made where there is no whole model', async () => {
    const recipe = withoutModel(toy.recipe);
    await expect(start('none', recipe, { init: join(toy.folder, 'none') })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(start('none', recipe, { init: toy.folder })).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(start('none', recipe)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await readdir(toy.folder)).not.toContain('none');
  });

  it('needs no recipe on the command line', async () => {
    const out = join(toy.folder, 'Tuned Model');
    const places = ['--out', out, '--run-dir', join(toy.folder, 'tuned-run'), '--threads', '1'];
    const sizes = [
      '--steps',
      '4',
      '--batch-size',
      '4',
      '--sequence-length',
      '32',
      '--learning-rate',
      '0.002',
      '--init-share',
      '0.3',
      '--half',
    ];
    const { code, stderr } = await command('train', '--init', teacherDir, '--text', toy.textPath, ...places, ...sizes);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining(
        'training teacher-model further on tiny.txt: 4 steps of 4 x 32 tokens, learning rate 0.002, seed 1, ' +
          '0.3 of the first weights in the final ones\n',
      ),
    });
    const itera = JSON.parse(await readFile(join(out, 'itera.json'), 'utf8'));
    expect(itera).toMatchObject({
      name: 'tuned-model',
      init: { name: 'the-teacher' },
      recipe: { mixture: [{ dataset: 'tiny.txt', weight: 1 }], microBatchSize: 1, initShare: 0.3 },
    });
    expect((await readModelFolder(out)).weightsDtype).toBe('float16');
    expect(itera).toMatchObject({ weightsDtype: 'float16' });
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toContain('trained on from the weights of the-teacher');
    expect(card).toContain('have a share of 0.3. On the same documents: tiny.txt ');
    expect(stderr).toMatch(/^step 4: tiny\.txt .*\n(.*\n)*step 4, the mean: tiny\.txt /m);

    // Another share and name, from the same checkpoint.
    const again = ['--out', join(toy.folder, 'other'), ...places.slice(2), '--resume', ...sizes, '--init-share', '0.1'];
    const next = await command('train', '--init', teacherDir, '--text', toy.textPath, ...again);
    expect(next).toMatchObject({ code: 0, stderr: expect.stringMatching(/^step 4, the mean: /m) });
    expect(next.stderr).not.toMatch(/^step 4: /m);
  });

  it('says nothing of a validation where a text has no document to spare', async () => {
    const text = join(toy.folder, 'one.txt');
    await writeFile(text, 'One day a cat sat by the door and waited for the rain to end. '.repeat(9));
    const seen: unknown[] = [];
    const recipe = withoutModel({ ...toy.recipe, steps: 1, initShare: 0.5, mixture: [{ dataset: text, weight: 1 }] });
    const onValidation = (points: unknown) => seen.push(points);
    const run = await start('one-document', recipe, { init: teacherDir, onValidation });
    expect(seen).toEqual([]);
    expect(run.progress.validations).toEqual([]);
  });

  it('leaves no folder where half precision cannot hold its weights, and says how to keep the run', async () => {
    const model = await readModelFolder(teacherDir);
    model.weights.get('model.embed_tokens.weight')?.data.fill(70_000);
    const large = join(toy.folder, 'large');
    await writeModelFolder(large, model);
    const out = join(toy.folder, 'large-half');
    const places = ['--init', large, '--text', toy.textPath, '--run-dir', join(toy.folder, 'large-run'), '--out', out];
    const sizes = ['--steps', '1', '--batch-size', '1', '--sequence-length', '32', '--learning-rate', '1e-9'];
    const { code, stderr } = await command('train', ...places, ...sizes, '--threads', '1', '--half');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/WEIGHTS_INVALID: .*half precision ends at 65504.*without --half/),
    });
    expect(await readdir(toy.folder)).not.toContain('large-half');
  });
});

describe('a run with a teacher', () => {
  const distillation = (): NonNullable<Recipe['distillation']> => ({
    ...{ teacher: teacherDir, temperature: 1, weight: 0.8, topK: 16 },
  });
  const recipeOf = (change: Partial<Recipe> = {}): Recipe => {
    const { tokenizer: _, ...recipe } = toy.recipe;
    return { ...recipe, batchSize: 4, microBatchSize: 1, seed: 9, distillation: distillation(), ...change };
  };
  let whole: TrainedRun;
  const reports: StepReport[] = [];

  beforeAll(async () => {
    whole = await start('student', recipeOf(), { onStep: (report) => reports.push(report) });
  });

  it('uses its tokenizer, comes closer to it than without, and says who taught', async () => {
    expect(whole.tokenizerJson).toEqual(teacher.tokenizerJson);
    expect(whole.teachers?.map(({ name }) => name)).toEqual(['the-teacher']);
    expect(await readdir(join(toy.folder, 'student'))).not.toContain('tokenizer.json');
    const alone: StepReport[] = [];
    const plain = recipeOf({ distillation: { ...distillation(), weight: 0 } });
    await start('untaught', plain, { onStep: (report) => alone.push(report) });
    const last = (list: readonly StepReport[]) =>
      list.slice(-5).reduce((sum, { divergence = Number.NaN }) => sum + divergence / 5, 0);
    expect(reports[0]?.divergence).toBe(alone[0]?.divergence);
    expect(last(reports)).toBeLessThan(0.9 * last(alone));
    expect(last(reports)).toBeLessThan(0.5 * (reports[0]?.divergence as number));
  });

  it('with weight 0 makes the weights that the text alone makes', async () => {
    const { distillation: given, ...plain } = recipeOf({ steps: 5 });
    const taught = await start('weight-0', { ...plain, distillation: { ...distillation(), weight: 0 } });
    const untaught = await start('no-teacher', { ...plain, tokenizer: { vocabSize: 300 } });
    expect(given?.weight).toBe(0.8);
    expect(countDifferentBits(taught.stepper.parameters.data, untaught.stepper.parameters.data)).toBe(0);
  });

  it('asks the teacher once; later runs read what it said', async () => {
    const heard: number[] = [];
    await start('heard', recipeOf({ steps: 1 }), { onTeacher: ({ done }) => heard.push(done) });
    expect(heard).toEqual([]);
    const change = { steps: 1, distillation: { ...distillation(), topK: 4 } };
    await start('heard-again', recipeOf(change), { onTeacher: ({ done, total }) => heard.push(done / total) });
    expect(heard.at(-1)).toBe(1);
  });

  it('gives the same bits on two threads and after being stopped and resumed', async () => {
    const controller = new AbortController();
    const onStep = ({ step }: StepReport) => step === 11 && controller.abort();
    await start('taught-stopped', recipeOf(), { signal: controller.signal, onStep, threads: 2 });
    const resumed = await start('taught-stopped', recipeOf(), { resume: true, threads: 2 });
    expect(countDifferentBits(resumed.stepper.parameters.data, whole.stepper.parameters.data)).toBe(0);
    expect(resumed.progress).toEqual(whole.progress);
  });

  it('is resumed whether the recipe or an option names the teacher', async () => {
    const path = join(toy.folder, 'named-in-recipe.json');
    await writeFile(path, JSON.stringify(recipeOf({ steps: 3, distillation: { ...distillation(), topK: 16 } })));
    const controller = new AbortController();
    const onStep = ({ step }: StepReport) => step === 1 && controller.abort();
    const recipe = JSON.parse(await readFile(path, 'utf8')) as Recipe;
    await start('named-run', recipe, { signal: controller.signal, onStep });
    const places = [
      '--run-dir',
      join(toy.folder, 'named-run'),
      '--out',
      join(toy.folder, 'named-out'),
      '--threads',
      '1',
    ];
    const { code, stderr } = await command('train', '--recipe', path, '--teacher', teacherDir, ...places, '--resume');
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });

  it('is not resumed with another teacher', async () => {
    const otherDir = await store(whole, 'student-model');
    const other = recipeOf({ distillation: { ...distillation(), teacher: otherDir } });
    await expect(start('student', other, { resume: true })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
  });

  it('learns from the mean of several, each asked once, and says who they were', async () => {
    const otherDir = await store(whole, 'second-teacher');
    const few = { ...distillation(), topK: 8 };
    const read: string[] = [];
    const onTeacher = ({ teacher: name, done, total }: TeacherProgress) => done === total && read.push(name);
    const both = recipeOf({ steps: 3, distillation: { ...few, teacher: [teacherDir, otherDir] } });
    const run = await start('two', both, { onTeacher });
    const { sha256 } = await readModelFolder(otherDir);
    expect(run.teachers?.[1]?.sha256).toBe(sha256['model.safetensors']);
    expect(run.teachers).toHaveLength(2);
    expect(read).toEqual(['the-teacher', 'the-teacher']);
    const alone = recipeOf({ steps: 3, distillation: { ...few, teacher: [teacherDir] } });
    const one = await start('one', alone, { onTeacher });
    const plain = await start('named', recipeOf({ steps: 3, distillation: few }), { onTeacher });
    expect(read).toHaveLength(2);
    expect(countDifferentBits(one.stepper.parameters.data, plain.stepper.parameters.data)).toBe(0);
    expect(countDifferentBits(run.stepper.parameters.data, plain.stepper.parameters.data)).toBeGreaterThan(0);
    await expect(start('two', alone, { resume: true })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
  });

  it('refuses one with another tokenizer or fewer tokens than are asked for', async () => {
    const dir = await store(whole, 'foreign');
    const path = join(dir, 'tokenizer.json');
    const json = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...json, version: '1.1' }));
    const foreign = { ...distillation(), teacher: dir };
    await expect(start('foreign-run', recipeOf({ distillation: foreign }), { init: teacherDir })).rejects.toMatchObject(
      {
        code: 'TOKENIZER_MISMATCH',
      },
    );
    const many = { ...distillation(), topK: 301 };
    await expect(start('many', recipeOf({ distillation: many }))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
