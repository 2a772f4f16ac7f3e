import type { ModelConfig } from '../../src/models/config.ts';
import { presets } from '../../src/models/presets.ts';

/**
 * A member of the family small enough to try many of: two Mamba-2 layers of width 16 with 4 experts, vocabulary 29.
 * `mambaDHead` follows from the width, `numHiddenLayers` from the layers' kinds.
 */
export function toyConfig(changes: Partial<ModelConfig> = {}): ModelConfig {
  const config: ModelConfig = {
    ...presets.micro(29),
    hiddenSize: 16,
    layersBlockType: ['mamba', 'mamba'],
    numAttentionHeads: 4,
    numKeyValueHeads: 2,
    intermediateSize: 12,
    sharedIntermediateSize: 10,
    numLocalExperts: 4,
    numExpertsPerTok: 2,
    mambaNHeads: 4,
    mambaDState: 6,
    mambaChunkSize: 8,
    attentionMultiplier: 0.5,
    ...changes,
  };
  return {
    ...config,
    numHiddenLayers: config.layersBlockType.length,
    mambaDHead: (config.mambaExpand * config.hiddenSize) / config.mambaNHeads,
  };
}
