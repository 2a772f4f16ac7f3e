import { foldConstants } from '../graph/passes/fold-constants.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { addLengthOutput, buildInferenceGraph } from './inference-graph.ts';
import type { ModelContents } from './model-folder.ts';

/**
 * The model in float32 as an ONNX file, as short as those of its variants: what is exported, and what their sizes and
 * predictions are compared with.
 *
 * @param metadata - Kept in the file, by name.
 */
export function encodeInferenceModel(
  { config, weights }: Pick<ModelContents, 'config' | 'weights'>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const graph = buildInferenceGraph(config, weights);
  addLengthOutput(graph);
  foldConstants(graph);
  return encodeOnnx(graph, metadata, { shortNames: true });
}
