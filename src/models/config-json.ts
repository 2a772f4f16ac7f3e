import type { LayerType, ModelConfig } from './config.ts';
import { type ConfigJson, checkConfigJson, configError } from './config-schema.ts';

/** Stands for "no upper limit" in `time_step_limit`, because JSON has no infinity. */
const unlimitedTimeStep = 1e30;

/**
 * Reads Hugging Face's `config.json` of the GraniteMoeHybrid family.
 *
 * Accepted as the reference does: `layer_types` for `layers_block_type`, `mamba_d_head: "auto"`, absent
 * `num_key_value_heads` (as many as query heads), absent `pad_token_id` (the end token). Unknown keys are ignored.
 *
 * @param json - The parsed file; anything at all.
 * @throws {@link IteraError} `CONFIG_INVALID` if a key is missing, has a wrong type or an absurd size, if numbers
 *   contradict each other, or if the file asks for what is not computed here (biased attention, another activation
 *   or norm, scaled rope, clamped time steps).
 */
export function parseConfig(json: unknown): ModelConfig {
  const file = checkConfigJson(json);
  const config: ModelConfig = {
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    numHiddenLayers: file.num_hidden_layers,
    layersBlockType: readLayerTypes(file),
    numAttentionHeads: file.num_attention_heads,
    numKeyValueHeads: file.num_key_value_heads ?? file.num_attention_heads,
    intermediateSize: file.intermediate_size,
    sharedIntermediateSize: file.shared_intermediate_size,
    numLocalExperts: file.num_local_experts,
    numExpertsPerTok: file.num_experts_per_tok,
    mambaNHeads: file.mamba_n_heads,
    mambaDHead:
      file.mamba_d_head === 'auto'
        ? Math.floor((file.mamba_expand * file.hidden_size) / file.mamba_n_heads)
        : file.mamba_d_head,
    mambaDState: file.mamba_d_state,
    mambaDConv: file.mamba_d_conv,
    mambaExpand: file.mamba_expand,
    mambaNGroups: file.mamba_n_groups,
    mambaChunkSize: file.mamba_chunk_size ?? 256,
    mambaConvBias: file.mamba_conv_bias ?? true,
    mambaProjBias: file.mamba_proj_bias ?? false,
    rmsNormEps: file.rms_norm_eps,
    embeddingMultiplier: file.embedding_multiplier ?? 1,
    logitsScaling: file.logits_scaling ?? 1,
    residualMultiplier: file.residual_multiplier ?? 1,
    attentionMultiplier: file.attention_multiplier ?? 1,
    positionEmbeddingType: file.position_embedding_type ?? 'nope',
    ropeTheta: file.rope_theta ?? 10_000,
    tieWordEmbeddings: file.tie_word_embeddings ?? false,
    maxPositionEmbeddings: file.max_position_embeddings ?? 2048,
    initializerRange: file.initializer_range ?? 0.02,
    bosTokenId: file.bos_token_id,
    eosTokenId: file.eos_token_id,
    padTokenId: file.pad_token_id ?? file.eos_token_id,
  };
  checkTimeStepLimit(file.time_step_limit);
  checkAgreement(config);
  return config;
}

/**
 * The object to write as `config.json`: every key that transformers, transformers.js and llama.cpp look for.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if the configuration is one that {@link parseConfig} would refuse.
 */
export function formatConfig(config: ModelConfig): Record<string, unknown> {
  const file = {
    architectures: ['GraniteMoeHybridForCausalLM'],
    model_type: 'granitemoehybrid',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    // Implementations differ in which of the two names they read.
    layers_block_type: [...config.layersBlockType],
    layer_types: [...config.layersBlockType],
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    intermediate_size: config.intermediateSize,
    shared_intermediate_size: config.sharedIntermediateSize,
    num_local_experts: config.numLocalExperts,
    num_experts_per_tok: config.numExpertsPerTok,
    output_router_logits: false,
    router_aux_loss_coef: 0.001,
    mamba_n_heads: config.mambaNHeads,
    mamba_d_head: config.mambaDHead,
    mamba_d_state: config.mambaDState,
    mamba_d_conv: config.mambaDConv,
    mamba_expand: config.mambaExpand,
    mamba_n_groups: config.mambaNGroups,
    mamba_chunk_size: config.mambaChunkSize,
    mamba_conv_bias: config.mambaConvBias,
    mamba_proj_bias: config.mambaProjBias,
    // Written out because readers disagree about the default.
    time_step_limit: [0, unlimitedTimeStep],
    rms_norm_eps: config.rmsNormEps,
    normalization_function: 'rmsnorm',
    hidden_act: 'silu',
    attention_bias: false,
    attention_dropout: 0,
    embedding_multiplier: config.embeddingMultiplier,
    logits_scaling: config.logitsScaling,
    residual_multiplier: config.residualMultiplier,
    attention_multiplier: config.attentionMultiplier,
    position_embedding_type: config.positionEmbeddingType,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    tie_word_embeddings: config.tieWordEmbeddings,
    max_position_embeddings: config.maxPositionEmbeddings,
    initializer_range: config.initializerRange,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
    pad_token_id: config.padTokenId,
    torch_dtype: 'float32',
    use_cache: true,
  };
  parseConfig(file);
  return file;
}

function readLayerTypes(file: ConfigJson): readonly LayerType[] {
  const layers = file.layers_block_type ?? file.layer_types;
  if (layers === undefined) {
    throw configError('layers_block_type', 'a list of 1 to 1024 times "mamba" or "attention"', undefined);
  }
  if (file.layer_types !== undefined && file.layer_types.join() !== layers.join()) {
    throw configError('layer_types', 'the same list as layers_block_type', file.layer_types);
  }
  return layers;
}

/** Softplus is never negative, so a lower limit of 0 or less and a huge upper one clamp nothing. */
function checkTimeStepLimit(limit: readonly unknown[] | undefined): void {
  if (limit === undefined) {
    return;
  }
  const [low, high] = limit.map(readNumber);
  if (low === undefined || high === undefined || !(low <= 0) || !(high >= unlimitedTimeStep)) {
    throw configError('time_step_limit', `no clamping, [0, ${unlimitedTimeStep}]`, limit);
  }
}

/** A number, or infinity in the two spellings that Python's writers of JSON use. */
function readNumber(value: unknown): number | undefined {
  const plain = typeof value === 'object' && value !== null && '__float__' in value ? value.__float__ : value;
  return plain === 'Infinity' ? Number.POSITIVE_INFINITY : typeof plain === 'number' ? plain : undefined;
}

/** How the numbers must agree with each other. */
function checkAgreement(config: ModelConfig): void {
  const inner = config.mambaExpand * config.hiddenSize;
  const headSize = config.hiddenSize / config.numAttentionHeads;
  const rotates = config.positionEmbeddingType === 'rope' && config.layersBlockType.includes('attention');
  const rules: readonly (readonly [string, string, number, boolean])[] = [
    [
      'layers_block_type',
      `${config.numHiddenLayers} entries, as num_hidden_layers says`,
      config.layersBlockType.length,
      config.layersBlockType.length === config.numHiddenLayers,
    ],
    [
      'mamba_d_head',
      `mamba_n_heads * mamba_d_head = mamba_expand * hidden_size = ${inner}`,
      config.mambaNHeads * config.mambaDHead,
      config.mambaNHeads * config.mambaDHead === inner,
    ],
    [
      'mamba_n_groups',
      `a divisor of mamba_n_heads (${config.mambaNHeads})`,
      config.mambaNGroups,
      config.mambaNHeads % config.mambaNGroups === 0,
    ],
    [
      'num_attention_heads',
      `a divisor of hidden_size (${config.hiddenSize})`,
      config.numAttentionHeads,
      Number.isInteger(headSize),
    ],
    [
      'num_attention_heads',
      `a hidden_size of an even number per head, for rope`,
      headSize,
      !rotates || headSize % 2 === 0,
    ],
    [
      'num_key_value_heads',
      `a divisor of num_attention_heads (${config.numAttentionHeads})`,
      config.numKeyValueHeads,
      config.numAttentionHeads % config.numKeyValueHeads === 0,
    ],
    [
      'num_experts_per_tok',
      config.numLocalExperts === 0
        ? '0, as there are no experts'
        : `1 to num_local_experts (${config.numLocalExperts})`,
      config.numExpertsPerTok,
      config.numExpertsPerTok <= config.numLocalExperts &&
        (config.numLocalExperts === 0 || config.numExpertsPerTok > 0),
    ],
    ...(['bos', 'eos', 'pad'] as const).map((name) => {
      const id = config[`${name}TokenId`];
      return [`${name}_token_id`, `less than vocab_size (${config.vocabSize})`, id, id < config.vocabSize] as const;
    }),
  ];
  for (const [path, expected, got, holds] of rules) {
    if (!holds) {
      throw configError(path, expected, got);
    }
  }
}
