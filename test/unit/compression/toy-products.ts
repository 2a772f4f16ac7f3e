import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import type { BitWidth, QuantizedMatrix } from '../../../src/core/quantized-matrix.ts';
import { createRandom } from '../../../src/core/random.ts';
import { plainDocument, type TextDocument } from '../../../src/data/documents.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { expandExperts } from '../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../src/graph/passes/fold-constants.ts';
import type { StoredProduct } from '../../../src/graph/passes/stored-products.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { codeTokenizer } from '../evaluation/scripted-model.ts';
import { toyConfig } from '../training/toy-model.ts';

/** A model with both kinds of layer, and its weights. */
export const config = toyConfig();
const weights = randomWeights(config, 12);

/** Its inference graph as variants are made from: folded, its experts stacked. */
export function productGraph(): Graph {
  const graph = buildInferenceGraph(config, weights);
  expandExperts(graph);
  foldConstants(graph);
  return graph;
}

/** A token for each letter. */
export const tokenizer: Tokenizer = {
  ...codeTokenizer,
  vocabSize: config.vocabSize,
  eosId: 0,
  specialIds: new Set([0]),
};

export function randomDocument(length: number, seed: number): TextDocument {
  const random = createRandom(seed, 7);
  return plainDocument(String.fromCharCode(...Array.from({ length }, () => 97 + random.integer(26))));
}

export const roundNearest = (
  { weights: values, rows, columns }: StoredProduct,
  bits: BitWidth,
  blockSize = 16,
): QuantizedMatrix =>
  quantizeMatrix(values, rows, columns, {
    method: 'nearest',
    bits,
    blockSize,
    symmetric: true,
    scalePrecision: 'float16',
  });
