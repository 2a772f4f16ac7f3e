import { expect, test } from 'vitest';
import type { Tensor } from '../../src/core/tensor.ts';
import { Graph } from '../../src/graph/graph.ts';
import { verifyGraph } from '../../src/graph/verifier.ts';
import { attention } from '../../src/models/attention.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { attentionHeadSize } from '../../src/models/parameters.ts';
import { storedWeights } from '../../src/models/weights.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';
import { maxDifference, randomTensor, randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

const prefix = 'model.layers.0.self_attn.';

/** Causal attention as plain loops in float64, every query head with a copy of its key and value head. */
function attentionByLoops(x: Tensor, config: ModelConfig, weights: ReadonlyMap<string, Tensor>): Float64Array {
  const [batch = 0, length = 0, width = 0] = x.shape;
  const size = attentionHeadSize(config);
  const perGroup = config.numAttentionHeads / config.numKeyValueHeads;
  const project = (input: ArrayLike<number>, at: number, name: string, row: number): number => {
    const matrix = weights.get(`${prefix}${name}.weight`)?.data as Float32Array;
    let sum = 0;
    for (let index = 0; index < width; index++) {
      sum += (input[at + index] as number) * (matrix[row * width + index] as number);
    }
    return sum;
  };
  /** One head's vector of a token; channel i is turned together with channel i + P/2. */
  const headVector = (row: number, t: number, name: string, head: number): number[] => {
    const at = (row * length + t) * width;
    const plain = Array.from({ length: size }, (_, p) => project(x.data as Float32Array, at, name, head * size + p));
    if (config.positionEmbeddingType === 'nope' || name === 'v_proj') return plain;
    return plain.map((value, p) => {
      const angle = t * config.ropeTheta ** ((-2 * (p % (size / 2))) / size);
      const other = p < size / 2 ? -(plain[p + size / 2] as number) : (plain[p - size / 2] as number);
      return value * Math.cos(angle) + other * Math.sin(angle);
    });
  };
  const output = new Float64Array(batch * length * width);
  for (let row = 0; row < batch; row++) {
    for (let t = 0; t < length; t++) {
      const mixed = new Float64Array(width);
      for (let head = 0; head < config.numAttentionHeads; head++) {
        const group = Math.floor(head / perGroup);
        const query = headVector(row, t, 'q_proj', head);
        const scores = Array.from({ length: t + 1 }, (_, s) => {
          const key = headVector(row, s, 'k_proj', group);
          return Math.exp(config.attentionMultiplier * query.reduce((sum, q, p) => sum + q * (key[p] as number), 0));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        for (const [s, score] of scores.entries()) {
          for (const [p, value] of headVector(row, s, 'v_proj', group).entries()) {
            mixed[head * size + p] = (mixed[head * size + p] as number) + (score / total) * value;
          }
        }
      }
      for (let column = 0; column < width; column++) {
        output[(row * length + t) * width + column] = project(mixed, 0, 'o_proj', column);
      }
    }
  }
  return output;
}

const cases = (['nope', 'rope'] as const).flatMap((positionEmbeddingType) => [
  { positionEmbeddingType, batch: 1, length: 1, numAttentionHeads: 4, numKeyValueHeads: 4 },
  { positionEmbeddingType, batch: 1, length: 9, numAttentionHeads: 2, numKeyValueHeads: 1 },
  { positionEmbeddingType, batch: 3, length: 6, numAttentionHeads: 8, numKeyValueHeads: 2 },
  { positionEmbeddingType, batch: 2, length: 5, numAttentionHeads: 1, numKeyValueHeads: 1 },
]);

test.each(cases)(
  'attention equals plain loops: $positionEmbeddingType, $batch x $length, $numAttentionHeads heads in $numKeyValueHeads groups',
  async ({ batch, length, ...changes }) => {
    const config = toyConfig({ layersBlockType: ['attention'], attentionMultiplier: 0.4, ropeTheta: 100, ...changes });
    const weights = randomWeights(config, length);
    const x = randomTensor([batch, length, config.hiddenSize], batch);
    const graph = new Graph();
    const cells = Array.from({ length: length ** 2 }, (_, at) => (at % length > Math.floor(at / length) ? -1e9 : 0));
    const { output } = attention(graph.input('x', 'float32', x.shape), config, storedWeights(graph, weights, prefix), {
      bias: graph.constant('float32', [length, length], cells),
      positions: graph.constant('float32', [1, length], [...Array(length).keys()]),
    });
    graph.output('output', output);
    verifyGraph(graph);
    const session = await createSession(encodeOnnx(graph));
    const results = await session.run({ x });
    await session.release();
    expect(maxDifference(results['output']?.data as Float32Array, attentionByLoops(x, config, weights))).toBeLessThan(
      1e-5,
    );
  },
);
