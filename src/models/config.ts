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
  /** L: layers. */
  readonly numHiddenLayers: number;
  /** The kind of each layer; `numHiddenLayers` long. */
  readonly layersBlockType: readonly LayerType[];
  /** Query heads of an attention layer; divides `hiddenSize`, a multiple of `numKeyValueHeads`. */
  readonly numAttentionHeads: number;
  /** Heads of keys and values; query heads share them in equal groups. */
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
  /** P: channels of a state-space head. */
  readonly mambaDHead: number;
  /** N: state size per head. */
  readonly mambaDState: number;
  /** K: convolution width. */
  readonly mambaDConv: number;
  /** Width of a state-space block, relative to `hiddenSize`. */
  readonly mambaExpand: number;
  /** Groups of heads that share B and C; divides `mambaNHeads`. */
  readonly mambaNGroups: number;
  /** Positions per chunk of the chunked form; changes speed, not results. */
  readonly mambaChunkSize: number;
  /** Whether the convolution has a bias. */
  readonly mambaConvBias: boolean;
  /** Whether the projections into and out of a state-space block have one. */
  readonly mambaProjBias: boolean;
  /** Added to the mean square before its root is taken. */
  readonly rmsNormEps: number;
  /** Embeddings are multiplied by this. */
  readonly embeddingMultiplier: number;
  /** The logits are divided by this. */
  readonly logitsScaling: number;
  /** What a block adds to the residual stream is multiplied by this. */
  readonly residualMultiplier: number;
  /** Attention scores are multiplied by this; 1 / sqrt(head size) for standard attention. */
  readonly attentionMultiplier: number;
  /** How attention knows positions: not at all (`nope`), or by rotation (`rope`). */
  readonly positionEmbeddingType: 'nope' | 'rope';
  /** Base of the angles of `rope`. */
  readonly ropeTheta: number;
  /** Whether the output layer is the embedding, so that there is no `lm_head.weight`. */
  readonly tieWordEmbeddings: boolean;
  /** Tokens that the model is said to be made for; nothing here depends on it. */
  readonly maxPositionEmbeddings: number;
  /** For other software: weights are drawn here by a rule of their own. */
  readonly initializerRange: number;
  /** Of the token that texts begin with. */
  readonly bosTokenId: number;
  /** Of the token that ends a text. */
  readonly eosTokenId: number;
  /** Of the token that fills up shorter rows of a batch. */
  readonly padTokenId: number;
}
