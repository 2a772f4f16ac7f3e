import { type Static, Type } from 'typebox';
import { Errors } from 'typebox/value';
import { IteraError } from '../core/errors.ts';

/** A whole number in a stated range; bounds keep a hostile file from asking for absurd tensors. */
const whole = (minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: `a whole number from ${minimum} to ${maximum}` });

const positive = () => Type.Number({ exclusiveMinimum: 0, maximum: 1e9, description: 'a number above 0, at most 1e9' });

const flag = () => Type.Boolean({ description: 'true or false' });

const only = (value: string | boolean) => Type.Optional(Type.Literal(value, { description: JSON.stringify(value) }));

const layerTypes = () =>
  Type.Array(Type.Enum(['mamba', 'attention']), {
    minItems: 1,
    maxItems: 1024,
    description: 'a list of 1 to 1024 times "mamba" or "attention"',
  });

const maxWidth = 65_536;

/**
 * `config.json` of model type `granitemoehybrid`, as far as this library reads it; other keys are ignored.
 * Sizes are required; what the family's reference gives a default may be absent.
 */
export const configSchema = Type.Object(
  {
    model_type: Type.Enum(['granitemoehybrid'], { description: '"granitemoehybrid"' }),
    vocab_size: whole(1, 1_000_000),
    hidden_size: whole(1, maxWidth),
    num_hidden_layers: whole(1, 1024),
    layers_block_type: Type.Optional(layerTypes()),
    layer_types: Type.Optional(layerTypes()),
    num_attention_heads: whole(1, maxWidth),
    num_key_value_heads: Type.Optional(whole(1, maxWidth)),
    intermediate_size: whole(1, 1_048_576),
    shared_intermediate_size: whole(1, 1_048_576),
    num_local_experts: whole(0, 4096),
    num_experts_per_tok: whole(0, 4096),
    mamba_n_heads: whole(1, maxWidth),
    mamba_d_head: Type.Union([Type.Enum(['auto']), whole(1, maxWidth)], {
      description: `a whole number from 1 to ${maxWidth}, or "auto"`,
    }),
    mamba_d_state: whole(1, 4096),
    mamba_d_conv: whole(2, 64),
    mamba_expand: whole(1, 64),
    mamba_n_groups: whole(1, maxWidth),
    mamba_chunk_size: Type.Optional(whole(1, maxWidth)),
    mamba_conv_bias: Type.Optional(flag()),
    mamba_proj_bias: Type.Optional(flag()),
    rms_norm_eps: Type.Number({ exclusiveMinimum: 0, maximum: 1, description: 'a number above 0, at most 1' }),
    embedding_multiplier: Type.Optional(positive()),
    logits_scaling: Type.Optional(positive()),
    residual_multiplier: Type.Optional(positive()),
    attention_multiplier: Type.Optional(positive()),
    position_embedding_type: Type.Optional(
      Type.Union([Type.Enum(['nope', 'rope']), Type.Null()], { description: '"nope", "rope" or null' }),
    ),
    rope_theta: Type.Optional(positive()),
    rope_scaling: Type.Optional(Type.Null({ description: 'null, as scaled rope is not computed here' })),
    tie_word_embeddings: Type.Optional(flag()),
    max_position_embeddings: Type.Optional(whole(1, 16_777_216)),
    initializer_range: Type.Optional(positive()),
    bos_token_id: whole(0, 999_999),
    eos_token_id: whole(0, 999_999),
    pad_token_id: Type.Optional(
      Type.Union([whole(0, 999_999), Type.Null()], { description: 'a whole number from 0 to 999999, or null' }),
    ),
    // What this library computes in one way only: a file that asks for another way is refused, not misread.
    hidden_act: only('silu'),
    attention_bias: only(false),
    normalization_function: only('rmsnorm'),
    time_step_limit: Type.Optional(
      Type.Array(Type.Unknown(), { minItems: 2, maxItems: 2, description: 'two numbers' }),
    ),
  },
  { description: 'an object' },
);

const familySchema = Type.Pick(configSchema, ['model_type']);

/** The checked content of `config.json`. */
export type ConfigJson = Static<typeof configSchema>;

/** An error about one key of `config.json`. */
export function configError(path: string, expected: string, got: unknown): IteraError {
  const shown = got === undefined ? 'nothing' : (JSON.stringify(got) ?? String(got));
  const brief = shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
  return new IteraError(
    'CONFIG_INVALID',
    `config.json: ${path || 'the file'}: expected ${expected}, got ${brief}. Correct the file or export the model again.`,
    { path, expected, got: brief },
  );
}

/**
 * Checks the types and ranges of `config.json`, not yet how its numbers agree with each other.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` naming the key, what was expected and what came.
 */
export function checkConfigJson(json: unknown): ConfigJson {
  // Another model type comes first: that its other keys are missing is a consequence.
  const error = Errors(familySchema, json)[0] ?? Errors(configSchema, json)[0];
  if (error === undefined) {
    return json as ConfigJson;
  }
  const path =
    error.keyword === 'required' ? [error.params.requiredProperties[0] ?? ''] : error.instancePath.split('/').slice(1);
  const properties: Readonly<Record<string, object>> = configSchema.properties;
  const rule = properties[path[0] ?? ''] ?? configSchema;
  const expected = 'description' in rule ? String(rule.description) : error.message;
  const got = path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], json);
  throw configError(path.join('.'), expected, got);
}
