import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';
import type { LayerType } from '../../../src/models/config.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { crossEntropy } from '../../../src/training/loss.ts';
import { buildTrainingGraph, gradientName } from '../../../src/training/training-graph.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig, toySizes } from './toy-model.ts';

const scalar = (results: Record<string, Tensor>, name: string): number => Number(results[name]?.data[0]);

function randomIds(count: number, vocabSize: number, seed: number): BigInt64Array {
  const random = createRandom(seed, 1);
  return BigInt64Array.from({ length: count }, () => BigInt(random.integer(vocabSize)));
}

describe('crossEntropy', () => {
  it('is the mean negative log-probability of the targets, for large logits too', async () => {
    const graph = new Graph();
    const logits = graph.input('logits', 'float32', [3, 4]);
    graph.output('loss', crossEntropy(logits, graph.input('targets', 'int64', [3])));
    const session = await createSession(encodeOnnx(graph));
    const rows = [
      [1, 2, 3, 4],
      [500, -500, 0, 499],
      [-3, -3, -3, -3],
    ];
    const targets = [3, 0, 2];
    const results = await session.run({
      logits: tensor('float32', [3, 4], Float32Array.from(rows.flat())),
      targets: tensor('int64', [3], BigInt64Array.from(targets, BigInt)),
    });
    await session.release();
    const expected = rows.map((row, index) => {
      const top = Math.max(...row);
      const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0);
      return top + Math.log(total) - (row[targets[index] as number] as number);
    });
    expect(scalar(results, 'loss')).toBeCloseTo(expected.reduce((a, b) => a + b) / 3, 5);
  });
});

describe.each<[string, readonly LayerType[], number]>([
  ['state-space layers and experts', ['mamba', 'mamba'], 4],
  ['attention without experts', ['attention'], 0],
])('the training graph with %s', (_name, layers, numLocalExperts) => {
  const config = toyConfig(layers, { numLocalExperts, vocabSize: 60, numExpertsPerTok: Math.min(2, numLocalExperts) });
  const balanceWeight = numLocalExperts > 0 ? 0.5 : 0;
  const weights = randomWeights(config, 3);
  // Far apart choices: where a token changes experts the loss jumps, and no gradient foretells that.
  for (const [name, { data }] of weights) if (name.includes('router')) data.set(data.map((value) => 4 * value));
  const { batchSize, sequenceLength } = toySizes;
  const tokens = batchSize * sequenceLength;
  const ids = {
    input_ids: tensor('int64', [batchSize, sequenceLength], randomIds(tokens, 60, 1)),
    targets: tensor('int64', [batchSize, sequenceLength], randomIds(tokens, 60, 2)),
  };
  let session: Session;

  beforeAll(async () => {
    const graph = buildTrainingGraph(config, { ...toySizes, balanceWeight });
    verifyGraph(graph);
    session = await createSession(encodeOnnx(graph));
  });
  afterAll(() => session.release());

  const run = (given: ReadonlyMap<string, Tensor>) => session.run({ ...Object.fromEntries(given), ...ids });
  const total = (results: Record<string, Tensor>): number =>
    scalar(results, 'loss') + (numLocalExperts > 0 ? balanceWeight * scalar(results, 'balance') : 0);

  it('gives the loss, one gradient of each weight in its shape, and the balance where there are experts', async () => {
    const results = await run(weights);
    const names = [...parameterShapes(config).keys()].map(gradientName);
    expect(Object.keys(results).sort()).toEqual(['loss', ...(numLocalExperts > 0 ? ['balance'] : []), ...names].sort());
    for (const [name, shape] of parameterShapes(config)) expect(results[gradientName(name)]?.shape).toEqual(shape);
    expect(scalar(results, 'loss')).toBeGreaterThan(2);
  });

  it('has gradients that foretell how the loss changes along a random direction, weight by weight', async () => {
    const results = await run(weights);
    for (const [name, { shape, data }] of weights) {
      // A direction of norm 1 partly along the gradient: the change is then well above float32's rounding.
      const gradient = results[gradientName(name)]?.data as Float32Array;
      const random = createRandom(7, data.length);
      const length = Math.hypot(...gradient);
      const direction = gradient.map((value) => value / length + (0.3 * random.normal()) / Math.sqrt(data.length));
      const slope = direction.reduce((sum, value, index) => sum + value * (gradient[index] as number), 0);
      const h = 0.002;
      const at = async (step: number): Promise<number> => {
        const moved = data.map((value, index) => value + step * (direction[index] as number));
        return total(await run(new Map(weights).set(name, tensor('float32', shape, moved))));
      };
      const measured = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      expect(length, name).toBeGreaterThan(0);
      expect(Math.abs(measured - slope) / (0.02 + Math.abs(slope)), name).toBeLessThan(0.02);
    }
  });
});
