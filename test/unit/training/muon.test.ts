import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { elementCount } from '../../../src/core/tensor.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { presetConfig } from '../../../src/models/presets.ts';
import { muonMatrices, updateMuon } from '../../../src/training/muon.ts';
import { createOrthogonalizer, type MatrixStack } from '../../../src/training/newton-schulz.ts';
import { toyConfig } from './toy-model.ts';

function matricesOf(config = toyConfig()): Map<string, readonly MatrixStack[]> {
  return new Map([...parameterShapes(config)].map(([name, shape]) => [name, muonMatrices(name, shape, config)]));
}

describe('muonMatrices', () => {
  it.each([
    ['tied', toyConfig()],
    ['an output layer of its own', toyConfig(['mamba'], { tieWordEmbeddings: false })],
    ['biases and two groups', toyConfig(['mamba'], { mambaProjBias: true, mambaNGroups: 2 })],
    ['no experts', presetConfig('micro-transformer')],
  ])('chooses the linear maps of the layers and cuts them without a rest: %s', (_, config) => {
    for (const [name, stacks] of matricesOf(config)) {
      const wanted = /([qkvo]_proj|in_proj|out_proj|(mlp|moe)\.(in|out)put_linear)\.weight$/.test(name);
      expect(stacks.length > 0, name).toBe(wanted);
      const size = stacks.reduce((sum, stack) => sum + elementCount(stack), 0);
      if (wanted) expect(size, name).toBe(elementCount(parameterShapes(config).get(name) ?? []));
    }
  });

  it('cuts fused maps into what they are made of', () => {
    const found = matricesOf();
    const layer = 'model.layers.0.';
    // z; x, B and C; the time steps.
    expect(found.get(`${layer}mamba.in_proj.weight`)).toEqual([
      [1, 64, 32],
      [1, 80, 32],
      [1, 2, 32],
    ]);
    expect(found.get(`${layer}mamba.out_proj.weight`)).toEqual([[1, 32, 64]]);
    expect(found.get(`${layer}shared_mlp.input_linear.weight`)).toEqual([[2, 16, 32]]);
    expect(found.get(`${layer}shared_mlp.output_linear.weight`)).toEqual([[1, 32, 16]]);
    expect(found.get(`${layer}block_sparse_moe.input_linear.weight`)).toEqual([[8, 16, 32]]);
    expect(found.get(`${layer}block_sparse_moe.output_linear.weight`)).toEqual([[4, 32, 16]]);
  });
});

describe('updateMuon', () => {
  const stack: MatrixStack = [2, 6, 10];
  const size = elementCount(stack);
  const options = { momentum: 0.9, rateFactor: 2, weightDecay: 0.5 };

  it('moves along the orthogonalised Nesterov momentum and decays the weights, as the papers have it', async () => {
    const random = createRandom(7, 1);
    const draw = () => Float32Array.from({ length: size }, () => random.normal());
    const [update, expected] = [await createOrthogonalizer(stack), await createOrthogonalizer(stack)];
    const arrays = { weights: draw(), mean: new Float32Array(size) };
    const theta = [...arrays.weights];
    // Their momentum is a sum; only its direction matters.
    const momentum = theta.map(() => 0);
    const rates = [0.01, 0.02, 0.005, 0.001];
    for (const learningRate of rates) {
      const gradients = draw();
      await updateMuon({ ...arrays, gradients }, stack, update, { learningRate, scale: 0.25 }, options);
      gradients.forEach((gradient, index) => {
        momentum[index] = 0.9 * (momentum[index] as number) + gradient / 4;
        expected.input[index] = 0.9 * (momentum[index] as number) + gradient / 4;
      });
      await expected.run();
      theta.forEach((value, index) => {
        const step = 0.2 * Math.sqrt(10) * (expected.output[index] as number) + 0.5 * value;
        theta[index] = value - 2 * learningRate * step;
      });
    }
    expect(Math.max(...theta.map((value, index) => Math.abs(value - (arrays.weights[index] as number))))).toBeLessThan(
      1e-5,
    );
    expect(
      Math.max(...momentum.map((value, index) => Math.abs(0.1 * value - (arrays.mean[index] as number)))),
    ).toBeLessThan(1e-6);
    await update.release();
    await expected.release();
  });

  it('takes steps of the usual size of AdamW, whatever the shape', async () => {
    for (const shape of [
      [1, 8, 96],
      [1, 96, 8],
      [4, 24, 24],
    ] as const) {
      const random = createRandom(2, 1);
      const count = elementCount(shape);
      const orthogonalizer = await createOrthogonalizer(shape);
      const [weights, mean] = [new Float32Array(count), new Float32Array(count)];
      const gradients = Float32Array.from({ length: count }, () => random.normal());
      const given = { momentum: 0.95, rateFactor: 1, weightDecay: 0 };
      await updateMuon({ weights, gradients, mean }, shape, orthogonalizer, { learningRate: 1, scale: 1 }, given);
      await orthogonalizer.release();
      const rootMeanSquare = Math.hypot(...weights) / Math.sqrt(count);
      expect(rootMeanSquare).toBeGreaterThan(0.15);
      expect(rootMeanSquare).toBeLessThan(0.25);
    }
  });
});
