/** How a layer mixes tokens: by a Mamba-2 state-space block, or by grouped-query attention. */
export type LayerType = 'mamba' | 'attention';

/**
 * Configuration of a member of the GraniteMoeHybrid family; on disk (`config.json`) the same terms in snake_case.
 * Letters used in shapes are defined in docs/notation.md.
 *
 * @remarks Time steps are never clamped: the family's default limits, 0 to infinity. `parseConfig` refuses others.
 */
export interface ModelConfig {
  /** V: rows of the embedding. */
  readonly vocabSize: number;
  /** D: width of the residual stream. */
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  /** The kind of each layer; `numHiddenLayers` long. */
  readonly layersBlockType: readonly LayerType[];
  /** Query heads of an attention layer; divides `hiddenSize`, a multiple of `numKeyValueHeads`. */
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  /** F: width of one expert. */
  readonly intermediateSize: number;
  /** Width of the shared MLP, always present, > 0. */
  readonly sharedIntermediateSize: number;
  /** X: experts in every layer; 0 means the shared MLP alone. */
  readonly numLocalExperts: number;
  /** Experts that each token visits; at most `numLocalExperts`. */
  readonly numExpertsPerTok: number;
  /** H: state-space heads; `mambaNHeads * mambaDHead = mambaExpand * hiddenSize`. */
  readonly mambaNHeads: number;
  readonly mambaDHead: number;
  /** N: state size per head. */
  readonly mambaDState: number;
  /** K: convolution width. */
  readonly mambaDConv: number;
  readonly mambaExpand: number;
  /** Groups of heads that share B and C; divides `mambaNHeads`. */
  readonly mambaNGroups: number;
  /** Positions per chunk of the chunked form; changes speed, not results. */
  readonly mambaChunkSize: number;
  readonly mambaConvBias: boolean;
  readonly mambaProjBias: boolean;
  readonly rmsNormEps: number;
  readonly embeddingMultiplier: number;
  /** The logits are divided by this. */
  readonly logitsScaling: number;
  readonly residualMultiplier: number;
  /** Attention scores are multiplied by this; 1 / sqrt(head size) for standard attention. */
  readonly attentionMultiplier: number;
  readonly positionEmbeddingType: 'nope' | 'rope';
  readonly ropeTheta: number;
  /** Whether the output layer is the embedding, so that there is no `lm_head.weight`. */
  readonly tieWordEmbeddings: boolean;
  readonly maxPositionEmbeddings: number;
  readonly initializerRange: number;
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  readonly padTokenId: number;
}
