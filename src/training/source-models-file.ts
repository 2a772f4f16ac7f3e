import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { IteraError } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';
import type { SourceModelFacts } from '../models/model-card.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { presetConfig } from '../models/presets.ts';
import { resizeConfig, type SizeChange } from '../models/resizing.ts';
import { openModel } from '../runtime/load-model-file.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { type Recipe, teacherNames } from './recipe.ts';
import { hashTokenizer, type PreparedTokenizer } from './run-tokenizer-file.ts';

/** Another model that a training run builds on. */
export interface SourceModel {
  readonly folder: ModelFolder;
  /** As the new model's card names it. */
  readonly facts: SourceModelFacts;
  /** Hash of all that decides what it computes: configuration and weights. */
  readonly sha256: string;
}

/** The models that a run builds on, and the tokenizer that it then has from them. */
export interface SourceModels {
  /** Its weights are those that training starts from. */
  readonly init?: SourceModel;
  /** In the recipe's order; their mean is learnt from. */
  readonly teachers: readonly SourceModel[];
  readonly tokenizer?: PreparedTokenizer;
}

/**
 * Opens the models that a run builds on and checks that they fit the recipe and each other.
 *
 * @param init - Path of a model folder or name of a bundled model, if the run starts from one.
 * @throws {@link IteraError} `CONFIG_INVALID` if the recipe states another model than `init` is, `TOKENIZER_MISMATCH` if
 *   the recipe or the teacher has another tokenizer, and what `loadModel` throws.
 */
export async function openSourceModels(
  recipe: Recipe,
  init: string | undefined,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SourceModels> {
  const first = init === undefined ? undefined : await openSource(init, options);
  const teachers: SourceModel[] = [];
  for (const name of teacherNames(recipe)) teachers.push(await openSource(name, options));
  const owner = first ?? teachers[0];
  if (owner === undefined) return { teachers };
  const { tokenizerJson, tokenizerConfig } = owner.folder;
  const sha256 = hashTokenizer(tokenizerJson);
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
  if (first) checkRecipe(recipe, first);
  checkTokenizer(recipe, tokenizer, owner);
  const stranger = teachers.find(({ folder }) => hashTokenizer(folder.tokenizerJson) !== sha256);
  if (stranger) {
    throw new IteraError(
      'TOKENIZER_MISMATCH',
      `Expected teachers and student to have one tokenizer, but that of ${stranger.folder.dir} is not that of ` +
        `${owner.folder.dir}. Their predictions are of different tokens: choose a teacher with the same tokenizer.json.`,
      { teacher: stranger.folder.dir, student: owner.folder.dir },
    );
  }
  return {
    ...(first && { init: first }),
    teachers,
    tokenizer: { tokenizer, tokenizerJson, tokenizerConfig, sha256 },
  };
}

/**
 * The configuration of a run's model.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if neither the recipe nor a model decides it.
 */
export function configOf(recipe: Recipe, init: SourceModel | undefined, tokenizer: Tokenizer): ModelConfig {
  if (init) return init.folder.config;
  if (recipe.preset === undefined) throw contradiction('Recipe: preset is missing.');
  return resizeConfig(presetConfig(recipe.preset, tokenizer.vocabSize), sizesOf(recipe));
}

// An absent size of the schema is never an undefined one.
const sizesOf = ({ model = {} }: Pick<Recipe, 'model'>): SizeChange => model as SizeChange;

async function openSource(nameOrDir: string, options: { readonly signal?: AbortSignal }): Promise<SourceModel> {
  const folder = await openModel(nameOrDir, options);
  const [config, weights] = [folder.sha256['config.json'], folder.sha256['model.safetensors']] as [string, string];
  const stated = (folder.itera as { readonly name?: unknown } | undefined)?.name;
  const name = typeof stated === 'string' && stated !== '' ? stated : basename(resolve(folder.dir));
  const sha256 = createHash('sha256').update(`${config} ${weights}`).digest('hex');
  return { folder, facts: { name, sha256: weights }, sha256 };
}

/** What a recipe states of the model must be true of the one that training starts from. */
function checkRecipe({ preset, ...recipe }: Recipe, { folder }: SourceModel): void {
  if (preset === undefined) return;
  const stated = resizeConfig(presetConfig(preset, folder.config.vocabSize), sizesOf(recipe));
  if (isDeepStrictEqual(stated, folder.config)) return;
  throw contradiction(
    `Expected the model to start from to be of the recipe's preset "${preset}"${recipe.model ? ' with the sizes in model' : ''}, but ${folder.dir} has another ` +
      'architecture. Leave preset and model out of the recipe, or start from another model.',
  );
}

function checkTokenizer(recipe: Recipe, { vocabSize }: Tokenizer, { folder }: SourceModel): void {
  if (recipe.tokenizer === undefined || recipe.tokenizer.vocabSize === vocabSize) return;
  throw new IteraError(
    'TOKENIZER_MISMATCH',
    `Expected a tokenizer of ${recipe.tokenizer.vocabSize} tokens, as the recipe states, but that of ${folder.dir}, ` +
      `which would be used, has ${vocabSize}. Leave the tokenizer out of the recipe, or use another model.`,
    { stated: recipe.tokenizer.vocabSize, vocabSize },
  );
}

const contradiction = (message: string): IteraError => new IteraError('CONFIG_INVALID', message);
