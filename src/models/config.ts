/** How a layer mixes tokens. */
export type LayerType = 'mamba' | 'attention';

/**
 * Configuration of a member of the GraniteMoeHybrid family; on disk (`config.json`) the same terms in snake_case.
 * Letters used in shapes are defined in docs/notation.md.
 */
export interface ModelConfig {
  readonly vocabSize: number;
  /** D: width of the residual stream. */
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly layersBlockType: readonly LayerType[];
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  /** F: width of one expert. */
  readonly intermediateSize: number;
  /** Width of the shared MLP, always present, > 0. */
  readonly sharedIntermediateSize: number;
  /** Number of experts in every layer; 0 means the shared MLP alone. */
  readonly numLocalExperts: number;
  readonly numExpertsPerTok: number;
  /** H: state-space heads; `mambaNHeads * mambaDHead = mambaExpand * hiddenSize`. */
  readonly mambaNHeads: number;
  readonly mambaDHead: number;
  /** N: state size per head. */
  readonly mambaDState: number;
  /** K: convolution width. */
  readonly mambaDConv: number;
  readonly mambaExpand: number;
  readonly mambaNGroups: number;
  readonly mambaChunkSize: number;
  readonly mambaConvBias: boolean;
  readonly mambaProjBias: boolean;
  readonly rmsNormEps: number;
  readonly embeddingMultiplier: number;
  readonly logitsScaling: number;
  readonly residualMultiplier: number;
  readonly attentionMultiplier: number;
  readonly positionEmbeddingType: 'nope' | 'rope';
  readonly ropeTheta: number;
  readonly tieWordEmbeddings: boolean;
  readonly maxPositionEmbeddings: number;
  readonly initializerRange: number;
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  readonly padTokenId: number;
}
