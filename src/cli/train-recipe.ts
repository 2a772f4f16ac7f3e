import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { openDataset } from '../data/dataset-files.ts';
import { fineTuningRecipe } from '../training/fine-tuning-recipe.ts';
import { parseRecipe, type Recipe, teacherNames } from '../training/recipe.ts';

/** The options of `train` that decide its recipe. */
export interface RecipeOptions {
  readonly recipe?: string;
  readonly init?: string;
  readonly text?: readonly string[];
  readonly teacher?: readonly string[];
  readonly steps?: number;
  readonly learningRate?: number;
  readonly batchSize?: number;
  readonly sequenceLength?: number;
  readonly seed?: number;
  readonly initShare?: number;
  readonly out?: string;
  readonly dataDir?: string;
}

const usualDistillation = { temperature: 1, weight: 0.5, topK: 16 } as const;

/**
 * The recipe of a training command: from its file, or for fine-tuning from the options alone.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for options that are missing or exclude each other, `FILE_NOT_FOUND`,
 *   `CONFIG_INVALID`, and what `openDataset` throws.
 */
export async function chooseRecipe(options: RecipeOptions, signal?: AbortSignal): Promise<Recipe> {
  const { init, text = [] } = options;
  const startsFromModel = init !== undefined;
  if (options.initShare !== undefined && !startsFromModel) {
    throw invalid('--init-share needs --init MODEL: it is the share of that model in the final weights.');
  }
  if (options.recipe !== undefined) {
    if (text.length > 0) {
      throw invalid('--text and --recipe exclude each other: the mixture of a recipe names its texts.');
    }
    const stated = await readJson(options.recipe);
    const isObject = typeof stated === 'object' && stated !== null && !Array.isArray(stated);
    return parseRecipe(isObject ? { ...stated, ...chosen(options, stated) } : stated, { startsFromModel });
  }
  if (init === undefined || text.length === 0) {
    throw invalid(
      'Expected --recipe FILE to train a model from scratch, or --init MODEL and --text FILE to train one further.',
    );
  }
  const texts: { dataset: string; bytes: number }[] = [];
  for (const dataset of text) {
    const places = { ...(options.dataDir && { dataDir: options.dataDir }), ...(signal && { signal }) };
    const { sizeBytes } = await openDataset(dataset, { ...places, split: 'train', holdOut: true });
    texts.push({ dataset, bytes: sizeBytes });
  }
  const name = nameOf(options.out ?? `${basename(resolve(init))}-tuned`);
  return parseRecipe(fineTuningRecipe({ name, texts }, chosen(options)), { startsFromModel });
}

/** What a recipe says that a reader of the command's output wants to know. */
export function describeRecipe(recipe: Recipe, init: string | undefined): string {
  const texts = recipe.mixture.map(({ dataset }) => basename(dataset)).join(', ');
  const teacher = recipe.distillation
    ? `, ${recipe.distillation.weight * 100}% learnt from ${teacherNames(recipe).join(' and ')}`
    : '';
  const start = init === undefined ? `training ${recipe.name}` : `training ${basename(resolve(init))} further`;
  const mean = recipe.initShare ? `, ${recipe.initShare} of the first weights in the final ones` : '';
  return (
    `${start} on ${texts}: ${recipe.steps} steps of ${recipe.batchSize} x ${recipe.sequenceLength} tokens, ` +
    `learning rate ${recipe.learningRate}, seed ${recipe.seed}${teacher}${mean}`
  );
}

/** The fields of a recipe that options state. */
function chosen(options: RecipeOptions, stated: object = {}): Partial<Recipe> {
  const names = ['steps', 'learningRate', 'batchSize', 'sequenceLength', 'seed', 'initShare'] as const;
  const given = names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]));
  const before = (stated as { readonly distillation?: object }).distillation;
  return {
    ...Object.fromEntries(given),
    ...(options.teacher !== undefined && {
      distillation: { ...usualDistillation, ...before, teacher: [...options.teacher] },
    }),
  };
}

/** The name of a model folder, spelt as names of models are. */
function nameOf(folder: string): string {
  const plain = basename(resolve(folder))
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return plain === '' ? 'tuned' : plain;
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new IteraError('FILE_NOT_FOUND', `Expected a recipe at ${path}, found none to read.`, { path }, { cause });
  });
  try {
    // Some editors begin a file with a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new IteraError('CONFIG_INVALID', `Expected JSON in ${path}, got: ${String(cause)}.`, { path }, { cause });
  }
}

const invalid = (message: string): IteraError => new IteraError('INVALID_ARGUMENT', message);
