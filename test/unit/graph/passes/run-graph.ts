import { createRandom } from '../../../../src/core/random.ts';
import { elementCount, type Tensor, tensor } from '../../../../src/core/tensor.ts';
import type { Graph } from '../../../../src/graph/graph.ts';
import { verifyGraph } from '../../../../src/graph/verifier.ts';
import type { ModelConfig } from '../../../../src/models/config.ts';
import { stateShapes } from '../../../../src/models/inference-graph.ts';
import { type EncodeOptions, encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { createSession } from '../../../../src/runtime/session.ts';
import { randomTokens, tokenTensor } from '../../../parity/model-forms.ts';
import { toyConfig } from '../../../parity/toy-config.ts';

const dense = { numLocalExperts: 0, numExpertsPerTok: 0 };

/** Small members of the family, of every kind of layer. */
export const models: readonly { name: string; config: ModelConfig }[] = [
  { name: 'mamba with experts', config: toyConfig({ hiddenSize: 32, intermediateSize: 16, mambaProjBias: true }) },
  {
    name: 'attention',
    config: toyConfig({
      ...{ hiddenSize: 32, layersBlockType: ['attention', 'attention'], positionEmbeddingType: 'rope' },
      ...{ ...dense, logitsScaling: 2, embeddingMultiplier: 3 },
    }),
  },
  { name: 'dense, untied', config: toyConfig({ ...dense, hiddenSize: 32, tieWordEmbeddings: false }) },
];

/** All results of an inference graph for 2 texts of 5 tokens after a random past of 3, as seeded by `seed`. */
export async function runGraph(
  graph: Graph,
  config: ModelConfig,
  { seed = 3, encode = {} }: { seed?: number; encode?: EncodeOptions } = {},
): Promise<Record<string, Tensor>> {
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph, {}, encode));
  const random = createRandom(seed, 8);
  const feeds: Record<string, Tensor> = {
    input_ids: tokenTensor(randomTokens(2, 5, config.vocabSize, seed)),
    attention_mask: tokenTensor([Array(8).fill(1), [0, ...Array(7).fill(1)]]),
    num_logits_to_keep: tensor('int64', [], BigInt64Array.of(0n)),
  };
  for (const { past, shape } of stateShapes(config)) {
    const sizes = shape.map((dim) => (dim === 'batch_size' ? 2 : dim === 'past_length' ? 3 : Number(dim)));
    const data = Float32Array.from({ length: elementCount(sizes) }, () => 0.5 * random.normal());
    feeds[past] = tensor('float32', sizes, data);
  }
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** The largest difference between two runs, over all outputs, which must have the same names and shapes. */
export function worstDifference(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const names = Object.keys(a);
  if (names.join() !== Object.keys(b).join()) throw new Error(`${names} against ${Object.keys(b)}`);
  let worst = 0;
  for (const name of names) {
    const [left, right] = [a[name] as Tensor, b[name] as Tensor];
    if (left.shape.join() !== right.shape.join()) throw new Error(`${name}: ${left.shape} against ${right.shape}`);
    left.data.forEach((value, index) => {
      const gap = Math.abs(Number(value) - Number(right.data[index]));
      if (!(gap <= worst)) worst = gap;
    });
  }
  return worst;
}
