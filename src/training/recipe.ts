import { type Static, Type } from 'typebox';
import { Errors } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';
import { countParameters } from '../models/parameters.ts';
import { presetConfig, presets } from '../models/presets.ts';
import { resizeConfig, type SizeChange } from '../models/resizing.ts';

const share = Type.Number({ minimum: 0, maximum: 1 });
/** At 1 a moment never moves, and its correction divides by 0. */
const momentDecay = Type.Number({ minimum: 0, exclusiveMaximum: 1 });
const positive = Type.Number({ exclusiveMinimum: 0 });
const learningRate = Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1 });
/** A step on more would need more memory than machines have that train such models. */
const maximumBatchTokens = 2 ** 17;
/** Ten times what this library is for: a mistyped size is refused, not tried. */
const maximumParameters = 100e6;
const count = Type.Integer({ minimum: 1 });

const size = Type.Optional(Type.Integer({ minimum: 1, maximum: 65536 }));
const modelSizes = Type.Object(
  {
    /** The kind of each layer, and so their number. */
    layers: Type.Optional(Type.Array(Type.Enum(['mamba', 'attention']), { minItems: 1, maxItems: 64 })),
    hiddenSize: size,
    numAttentionHeads: size,
    numKeyValueHeads: size,
    intermediateSize: size,
    sharedIntermediateSize: size,
    numLocalExperts: Type.Optional(Type.Integer({ minimum: 0, maximum: 1024 })),
    numExpertsPerTok: Type.Optional(Type.Integer({ minimum: 0, maximum: 1024 })),
    mambaNHeads: size,
    mambaDState: size,
  },
  { additionalProperties: false },
);

const modelName = Type.String({ minLength: 1 });

const recipeSchema = Type.Object(
  {
    /** Name of the model folder that the recipe makes. */
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]*$' }),
    /** One of `presets`. Not needed where a run starts from another model, whose configuration it then has. */
    preset: Type.Optional(Type.String()),
    /** Sizes that differ from the preset's. */
    model: Type.Optional(modelSizes),
    /**
     * Trained on the mixture's texts, byte-level BPE. Not needed where a run starts from another model or has a teacher,
     * whose tokenizer it then has.
     */
    tokenizer: Type.Optional(
      Type.Object({ vocabSize: Type.Integer({ minimum: 257, maximum: 65536 }) }, { additionalProperties: false }),
    ),
    /** Learn from another model's predictions besides the text; see `distillationLoss`. */
    distillation: Type.Optional(
      Type.Object(
        {
          /** Path of a model folder or name of a bundled model; of several, the mean of their predictions counts. */
          teacher: Type.Union([modelName, Type.Array(modelName, { minItems: 1, maxItems: 8, uniqueItems: true })]),
          /** Softens both distributions; 1 leaves them as they are. */
          temperature: Type.Number({ minimum: 0.1, maximum: 100 }),
          /** Share of the teacher in the objective. */
          weight: share,
          /** The teacher's most probable tokens that are learnt from. */
          topK: Type.Integer({ minimum: 1, maximum: 1024 }),
          /**
           * Ask the teacher about each batch as it comes, and not about all texts beforehand: for runs that read only
           * part of their texts. Default: false.
           */
          live: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
    /** Datasets or text files; rows of a batch are drawn in proportion to the weights. */
    mixture: Type.Array(Type.Object({ dataset: Type.String(), weight: positive }, { additionalProperties: false }), {
      minItems: 1,
    }),
    /** Rows of a step. */
    batchSize: Type.Integer({ minimum: 1, maximum: 1024 }),
    /** Rows that one thread computes at once; divides `batchSize`, and is all of it if absent. */
    microBatchSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    /** T: tokens of a row. */
    sequenceLength: Type.Integer({ minimum: 2, maximum: 8192 }),
    /** Random streams take 32 bits of it: larger seeds would repeat. */
    seed: Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }),
    /** Steps of the optimiser in all. */
    steps: Type.Integer({ minimum: 1, maximum: 1e9 }),
    /** Steps over which the learning rate rises from 0. */
    warmupSteps: Type.Integer({ minimum: 0 }),
    /** Share of the steps, at the end, over which the learning rate falls linearly. */
    decayShare: share,
    /** Learning rate at the last step, as a share of the highest. */
    finalShare: share,
    /** Highest learning rate of AdamW. */
    learningRate,
    /** Decay of AdamW's first moment. */
    beta1: momentDecay,
    /** Decay of AdamW's second moment. */
    beta2: momentDecay,
    /** Added to the root of the second moment. */
    epsilon: positive,
    /** `muon`: the layers' matrices are updated by Muon, all else by AdamW as without it. Default: `adamw`. */
    optimizer: Type.Optional(Type.Enum(['adamw', 'muon'])),
    /** Highest learning rate of Muon; it rises and falls with `learningRate`, and is the same if absent. */
    muonLearningRate: Type.Optional(learningRate),
    /** Default: 0.95. */
    muonMomentum: Type.Optional(momentDecay),
    /** Share of a matrix that a step takes away, times the learning rate. */
    weightDecay: Type.Number({ minimum: 0 }),
    /** Gradients of a larger Euclidean norm are scaled down to it. */
    clipNorm: positive,
    /**
     * Share of the weights that the run started from in its final ones, which are the mean of both; see
     * `averageWithStart`. For runs that start from another model. Default: none.
     */
    initShare: Type.Optional(Type.Number({ minimum: 0, exclusiveMaximum: 1 })),
    /** Weight of the experts' load-balancing loss in the total. */
    balanceWeight: Type.Number({ minimum: 0 }),
    /** Share of the channels that every residual branch loses in training; see `drawMasks`. Default: none. */
    dropout: Type.Optional(Type.Number({ minimum: 0, exclusiveMaximum: 1 })),
    /** Steps between validations. */
    validateEvery: count,
    /** Validation documents of each dataset, drawn by the seed. */
    validationDocuments: count,
    /** Steps between checkpoints. */
    checkpointEvery: count,
  },
  { additionalProperties: false },
);

/** The models that a recipe names as teachers. */
export const teacherNames = ({ distillation }: Pick<Recipe, 'distillation'>): readonly string[] =>
  distillation === undefined ? [] : [distillation.teacher].flat();

/** Everything that decides a training run: the same recipe and texts give the same model. */
export type Recipe = Static<typeof recipeSchema>;

/**
 * Checks a recipe as read from JSON.
 *
 * @param options - `startsFromModel`: the run starts from another model, so that a recipe needs no preset or tokenizer.
 * @throws {@link IteraError} `CONFIG_INVALID` naming the first field that is wrong.
 */
export function parseRecipe(
  json: unknown,
  { startsFromModel = false }: { readonly startsFromModel?: boolean } = {},
): Recipe {
  const [fault] = Errors(recipeSchema, json);
  if (fault) {
    const at = fault.instancePath.slice(1).replaceAll('/', '.');
    if (fault.keyword === 'required') {
      const [name = ''] = fault.params.requiredProperties;
      throw invalid(at === '' ? name : `${at}.${name}`, 'is missing');
    }
    if (fault.keyword === 'boolean') throw invalid(at, 'is not a field of recipes');
    const value = valueAt(json, fault.instancePath);
    // JSON's 1e999 is Infinity, which JSON cannot write.
    const came = typeof value === 'number' ? String(value) : JSON.stringify(value);
    if (at.startsWith('distillation.teacher')) {
      throw invalid('distillation.teacher', `must be a model folder, or a list of 1 to 8 different ones, got ${came}`);
    }
    const wanted = fault.keyword === 'enum' ? `must be one of ${fault.params.allowedValues.join(', ')}` : fault.message;
    throw invalid(at === '' ? 'the whole' : at, `${wanted}, got ${came}`);
  }
  const recipe = json as Recipe;
  if (!startsFromModel && recipe.preset === undefined)
    throw invalid('preset', 'is missing, and no model to start from is named (--init)');
  if (!startsFromModel && recipe.initShare !== undefined) {
    throw invalid('initShare', 'needs a model to start from (--init)');
  }
  if (!startsFromModel && recipe.tokenizer === undefined && recipe.distillation === undefined) {
    throw invalid('tokenizer', 'is missing');
  }
  if (recipe.preset !== undefined && !Object.hasOwn(presets, recipe.preset)) {
    throw invalid('preset', `must be one of ${Object.keys(presets).join(', ')}, got ${JSON.stringify(recipe.preset)}`);
  }
  if (recipe.model !== undefined) {
    if (recipe.preset === undefined) throw invalid('model', 'needs a preset whose sizes it changes');
    const preset = presetConfig(recipe.preset, recipe.tokenizer?.vocabSize);
    const { total } = countParameters(resized(preset, recipe.model as SizeChange));
    if (total > maximumParameters) {
      throw invalid('model', `must have at most ${maximumParameters} parameters, got ${total}`);
    }
  }
  const { batchSize, microBatchSize = batchSize, sequenceLength } = recipe;
  if (batchSize % microBatchSize !== 0) {
    throw invalid('microBatchSize', `must divide batchSize (${batchSize}), got ${microBatchSize}`);
  }
  if (batchSize * sequenceLength > maximumBatchTokens) {
    const tokens = batchSize * sequenceLength;
    throw invalid('batchSize x sequenceLength', `must be at most ${maximumBatchTokens} tokens, got ${tokens}`);
  }
  for (const name of ['muonLearningRate', 'muonMomentum'] as const) {
    if (recipe[name] !== undefined && recipe.optimizer !== 'muon') throw invalid(name, 'needs "optimizer": "muon"');
  }
  return recipe;
}

/** A preset with a recipe's sizes; what they come to is named as in `config.json`. */
function resized(preset: ModelConfig, sizes: SizeChange): ModelConfig {
  try {
    return resizeConfig(preset, sizes);
  } catch (cause) {
    if (!(cause instanceof IteraError)) throw cause;
    const { path, expected, got } = cause.data;
    throw invalid('model', `has sizes that do not go together: ${path} must be ${expected}, and comes to ${got}`);
  }
}

function valueAt(json: unknown, pointer: string): unknown {
  const steps = pointer.split('/').slice(1);
  return steps.reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], json);
}

function invalid(at: string, problem: string): IteraError {
  return new IteraError('CONFIG_INVALID', `Recipe: ${at} ${problem}. Correct the recipe file.`, { at, problem });
}
