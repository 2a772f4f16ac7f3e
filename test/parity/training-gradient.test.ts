import { expect, test } from 'vitest';
import { createRandom } from '../../src/core/random.ts';
import { type Tensor, tensor } from '../../src/core/tensor.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession, type Session } from '../../src/runtime/session.ts';
import { buildTrainingGraph, gradientName } from '../../src/training/training-graph.ts';
import { randomTokens, tokenTensor } from './model-forms.ts';
import { randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

// The comparison with PyTorch is sharper; this one needs nothing but the library, so it runs everywhere.

const options = { batchSize: 2, sequenceLength: 5, balanceWeight: 0.5 };

/** Seeds are ones for which the small steps keep every token at its experts: the loss jumps where one changes. */
const cases: readonly { name: string; seed: number; config: ModelConfig }[] = [
  {
    name: 'mamba with experts',
    seed: 6,
    config: toyConfig({ mambaNGroups: 2, mambaProjBias: true, mambaChunkSize: 2 }),
  },
  {
    name: 'attention with rotary embedding',
    seed: 6,
    config: toyConfig({
      layersBlockType: ['attention', 'attention'],
      positionEmbeddingType: 'rope',
      numLocalExperts: 0,
      numExpertsPerTok: 0,
    }),
  },
  {
    name: 'mixed layers, multipliers, own output layer',
    seed: 7,
    config: toyConfig({
      layersBlockType: ['attention', 'mamba'],
      embeddingMultiplier: 2,
      residualMultiplier: 0.6,
      logitsScaling: 1.5,
      tieWordEmbeddings: false,
    }),
  },
];

type Feeds = Readonly<Record<string, Tensor>>;

async function totalLoss(session: Session, feeds: Feeds): Promise<number> {
  const one = () => tensor('float32', [], new Float32Array(1));
  const fetches = { loss: one(), ...(session.outputNames.includes('balance') && { balance: one() }) };
  const { loss, balance } = await session.run(feeds, fetches);
  return Number(loss?.data[0]) + options.balanceWeight * Number(balance?.data[0] ?? 0);
}

/** Unit vector halfway between the gradient, along which rounding matters least, and a random direction. */
function directionOf(gradient: Float32Array, seed: number): Float64Array {
  const random = createRandom(seed, 41);
  const unit = (values: ArrayLike<number>): Float64Array => {
    const length = Math.hypot(...Array.from(values));
    return Float64Array.from(values, (value) => value / length);
  };
  const noise = unit(Array.from(gradient, () => random.normal()));
  return unit(unit(gradient).map((value, index) => value + (noise[index] as number)));
}

const moved = ({ shape, data }: Tensor, direction: Float64Array, step: number): Tensor =>
  tensor(
    'float32',
    shape,
    Float32Array.from(data as Float32Array, (value, index) => value + step * (direction[index] as number)),
  );

test.each(cases)('the derivative along a direction of each weight: $name', async ({ config, seed }) => {
  const weights = randomWeights(config, seed);
  const { batchSize, sequenceLength } = options;
  const feeds: Feeds = {
    ...Object.fromEntries(weights),
    input_ids: tokenTensor(randomTokens(batchSize, sequenceLength, config.vocabSize, seed)),
    targets: tokenTensor(randomTokens(batchSize, sequenceLength, config.vocabSize, seed + 1)),
  };
  const session = await createSession(encodeOnnx(buildTrainingGraph(config, options)));
  const results = await session.run(feeds);
  const errors: [string, number][] = [];
  for (const [name, weight] of weights) {
    const gradient = results[gradientName(name)]?.data as Float32Array;
    const direction = directionOf(gradient, seed);
    const analytic = direction.reduce((sum, value, index) => sum + value * (gradient[index] as number), 0);
    // Below 0.05 rounding of the loss dominates the quotient. Five points: the error of the formula is of order step^4, so that steps can be large against rounding.
    const step = 0.005;
    const at = (count: number) => totalLoss(session, { ...feeds, [name]: moved(weight, direction, count * step) });
    const numeric = (8 * ((await at(1)) - (await at(-1))) - ((await at(2)) - (await at(-2)))) / (12 * step);
    errors.push([name, Math.abs(numeric - analytic) / Math.max(0.05, Math.abs(analytic))]);
  }
  await session.release();
  expect(errors.filter(([, error]) => !(error < 3e-3))).toEqual([]);
});
