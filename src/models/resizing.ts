import type { LayerType, ModelConfig } from './config.ts';
import { formatConfig, parseConfig } from './config-json.ts';

/** The sizes of a model that can be chosen one by one; the others follow from them. */
export type ModelSizes = Pick<
  ModelConfig,
  | 'hiddenSize'
  | 'numAttentionHeads'
  | 'numKeyValueHeads'
  | 'intermediateSize'
  | 'sharedIntermediateSize'
  | 'numLocalExperts'
  | 'numExpertsPerTok'
  | 'mambaNHeads'
  | 'mambaDState'
>;

/** Some sizes of their own. */
export type SizeChange = Partial<ModelSizes> & {
  /** The kind of each layer, and so their number. */
  readonly layers?: readonly LayerType[];
};

/**
 * A configuration like another one, of other sizes.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if the sizes do not go together.
 */
export function resizeConfig(config: ModelConfig, { layers, ...sizes }: SizeChange): ModelConfig {
  const changed = { ...config, ...sizes, ...(layers && { layersBlockType: layers, numHiddenLayers: layers.length }) };
  return parseConfig(
    formatConfig({
      ...changed,
      mambaDHead: (changed.mambaExpand * changed.hiddenSize) / changed.mambaNHeads,
      attentionMultiplier: 1 / Math.sqrt(changed.hiddenSize / changed.numAttentionHeads),
    }),
  );
}
