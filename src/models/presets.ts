import { IteraError } from '../core/errors.ts';
import type { LayerType, ModelConfig } from './config.ts';
import type { ModelSizes } from './resizing.ts';

/** A named choice of sizes. */
export type PresetName = 'micro' | 'tiny' | 'small' | 'micro-transformer' | 'tiny-transformer' | 'small-transformer';

/** Makes a configuration; the vocabulary is the preset's own unless given. */
export type Preset = (vocabSize?: number) => ModelConfig;

/** What the presets differ in. */
type Sizes = ModelSizes & Pick<ModelConfig, 'vocabSize' | 'numHiddenLayers'>;

const micro: Sizes = {
  vocabSize: 2048,
  hiddenSize: 64,
  numHiddenLayers: 3,
  numAttentionHeads: 4,
  numKeyValueHeads: 1,
  intermediateSize: 32,
  sharedIntermediateSize: 32,
  numLocalExperts: 3,
  numExpertsPerTok: 2,
  mambaNHeads: 4,
  mambaDState: 16,
};

const tiny: Sizes = {
  vocabSize: 2816,
  hiddenSize: 128,
  numHiddenLayers: 4,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  intermediateSize: 32,
  sharedIntermediateSize: 32,
  numLocalExperts: 3,
  numExpertsPerTok: 2,
  mambaNHeads: 8,
  mambaDState: 32,
};

const small: Sizes = {
  vocabSize: 4096,
  hiddenSize: 192,
  numHiddenLayers: 4,
  numAttentionHeads: 6,
  numKeyValueHeads: 3,
  intermediateSize: 64,
  sharedIntermediateSize: 128,
  numLocalExperts: 6,
  numExpertsPerTok: 2,
  mambaNHeads: 12,
  mambaDState: 32,
};

/**
 * The transformer baseline of the same vocabulary, width and budget: rope, grouped key/value heads, and one dense MLP
 * per layer, so that each token uses all of its parameters (at equal totals an advantage over the sparse presets).
 * Depth and MLP width were chosen to come within 3% of the state-space preset's total with widths that are multiples of
 * 32 (they quantise by block) and heads of at least 16 (fused rotary kernels need multiples of 16).
 */
function makeDense(sizes: Sizes, numHiddenLayers: number, mlpSize: number): Sizes {
  return {
    ...sizes,
    numHiddenLayers,
    // Unused without experts; the family's dense members state the MLP's width here too.
    intermediateSize: mlpSize,
    sharedIntermediateSize: mlpSize,
    numLocalExperts: 0,
    numExpertsPerTok: 0,
  };
}

function definePreset(sizes: Sizes, layerType: LayerType): Preset {
  return (vocabSize = sizes.vocabSize) => {
    if (!Number.isInteger(vocabSize) || vocabSize < 1 || vocabSize > 1_000_000) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected a vocabulary of 1 to 1000000 tokens, got ${vocabSize}. Give the size of the tokenizer.`,
        { vocabSize },
      );
    }
    return {
      ...sizes,
      vocabSize,
      layersBlockType: Array.from({ length: sizes.numHiddenLayers }, () => layerType),
      mambaDHead: (2 * sizes.hiddenSize) / sizes.mambaNHeads,
      mambaDConv: 4,
      mambaExpand: 2,
      mambaNGroups: 1,
      mambaChunkSize: 32,
      mambaConvBias: true,
      mambaProjBias: false,
      rmsNormEps: 1e-5,
      embeddingMultiplier: 1,
      logitsScaling: 1,
      residualMultiplier: 1,
      attentionMultiplier: 1 / Math.sqrt(sizes.hiddenSize / sizes.numAttentionHeads),
      positionEmbeddingType: layerType === 'attention' ? 'rope' : 'nope',
      ropeTheta: 10_000,
      tieWordEmbeddings: true,
      maxPositionEmbeddings: 2048,
      initializerRange: 0.02,
      bosTokenId: 0,
      eosTokenId: 0,
      padTokenId: 0,
    };
  };
}

/** Every preset by name: state-space models with experts, and a dense transformer baseline of each budget. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  micro: definePreset(micro, 'mamba'),
  tiny: definePreset(tiny, 'mamba'),
  small: definePreset(small, 'mamba'),
  'micro-transformer': definePreset(makeDense(micro, 3, 224), 'attention'),
  'tiny-transformer': definePreset(makeDense(tiny, 5, 192), 'attention'),
  'small-transformer': definePreset(makeDense(small, 6, 416), 'attention'),
};

/**
 * The most parameters in all that each preset may have with its own vocabulary. That of `micro` is the size of the
 * model in the original report.
 */
export const presetBudgets: Readonly<Record<PresetName, number>> = {
  micro: 293_656,
  tiny: 1_000_000,
  small: 3_000_000,
  'micro-transformer': 293_656,
  'tiny-transformer': 1_000_000,
  'small-transformer': 3_000_000,
};

/**
 * The configuration of a preset by name, e.g. from a command line.
 *
 * @param vocabSize - Size of the tokenizer, 1 to 1,000,000; the preset's own if absent.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an unknown name, listing the known ones, or a bad size.
 */
export function presetConfig(name: string, vocabSize?: number): ModelConfig {
  if (!Object.hasOwn(presets, name)) {
    const known = Object.keys(presets).join(', ');
    throw new IteraError('INVALID_ARGUMENT', `No preset is named '${name}'. Choose one of: ${known}.`, { name });
  }
  return presets[name as PresetName](vocabSize);
}
