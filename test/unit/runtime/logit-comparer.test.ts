import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { buildDivergenceGraph } from '../../../src/runtime/divergence-graph.ts';
import { createLogitComparer, type LogitComparer, type RowComparison } from '../../../src/runtime/logit-comparer.ts';
import { padRows } from '../../../src/runtime/padded-rows.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import { maxDifference, randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';

/** ln of the probabilities, in float64. */
function logProbabilities(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = Math.max(...values);
  const sum = values.reduce((total, value) => total + Math.exp(value - top), 0);
  return values.map((value) => value - top - Math.log(sum));
}

/** KL(p || q) in float64, from logits. */
function divergenceOf(p: ArrayLike<number>, q: ArrayLike<number>): number {
  const [logP, logQ] = [logProbabilities(p), logProbabilities(q)];
  return logP.reduce(
    (sum, value, index) => (value === -Infinity ? sum : sum + Math.exp(value) * (value - (logQ[index] as number))),
    0,
  );
}

describe('the divergence graph', () => {
  async function compareLogits(baseline: readonly (readonly number[])[], candidate: readonly (readonly number[])[]) {
    const [first] = baseline as [readonly number[]];
    const session = await createSession(encodeOnnx(buildDivergenceGraph(first.length)));
    const logits = (rows: readonly (readonly number[])[]) =>
      tensor('float32', [rows.length, first.length], Float32Array.from(rows.flat()));
    const results = await session.run({
      baseline: logits(baseline),
      candidate: logits(candidate),
      targets: tensor('int64', [baseline.length], new BigInt64Array(baseline.length).fill(1n)),
    });
    await session.release();
    return (name: string) => Array.from((results[name] as Tensor<'float32'>).data);
  }

  it('gives the values worked out by hand', async () => {
    const p = [0.5, 0.25, 0.25].map(Math.log);
    const q = [0.25, 0.5, 0.25].map(Math.log);
    const result = await compareLogits([p, p], [q, p]);
    // 0.5 ln(0.5 / 0.25) + 0.25 ln(0.25 / 0.5) = 0.25 ln 2.
    expect(result('divergence')[0]).toBeCloseTo(0.25 * Math.LN2, 6);
    expect(result('divergence')[1]).toBe(0);
    expect(result('baseline_nats')[0]).toBeCloseTo(Math.log(4), 6);
    expect(result('candidate_nats')[0]).toBeCloseTo(Math.log(2), 6);
    expect(result('agreement')).toEqual([0, 1]);
  });

  it('does not depend on what all logits of a model are shifted by', async () => {
    const p = [1, 2, 3.5];
    const result = await compareLogits([p, p], [p.map((value) => value + 8), p.map((value) => value - 8)]);
    for (const divergence of result('divergence')) expect(divergence).toBeLessThan(1e-12);
  });

  it.each([1e-4, 1e-3, 1e-2, 0.1, 0.24, 0.26, 1, 5, 40])(
    'equals float64 for logits that differ by up to %d',
    async (spread) => {
      const random = createRandom(4, 1);
      const rows = Array.from({ length: 6 }, () => Array.from({ length: 500 }, () => Math.fround(3 * random.normal())));
      const others = rows.map((row) => row.map((value) => Math.fround(value + spread * (2 * random.uniform() - 1))));
      const divergences = (await compareLogits(rows, others))('divergence');
      for (const [index, row] of rows.entries()) {
        const expected = divergenceOf(row, others[index] as number[]);
        expect(Math.abs((divergences[index] as number) / expected - 1)).toBeLessThan(5e-4);
      }
    },
  );

  it('takes words of no probability as they are: ruled out by both, by the baseline, or by the candidate alone', async () => {
    const none = Number.NEGATIVE_INFINITY;
    const p = [0, 0, none];
    const result = await compareLogits([p, p, [0, 0, 0]], [[0, Math.log(3), none], [0, 0, 0], p]);
    const [both, baseline, candidate] = result('divergence');
    // 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75)
    expect(both).toBeCloseTo(0.5 * Math.log(4 / 3), 6);
    expect(baseline).toBeCloseTo(Math.log(1.5), 6);
    expect(candidate).toBe(Number.POSITIVE_INFINITY);
  });

  it('gives no number for logits that are none', async () => {
    const result = await compareLogits([[1, 2, 3]], [[1, Number.NaN, 3]]);
    expect(result('divergence')).toEqual([Number.NaN]);
    expect(result('candidate_nats')).toEqual([Number.NaN]);
    expect(result('baseline_nats')[0]).toBeGreaterThan(0);
  });
});

const config = toyConfig();
const weights = randomWeights(config, 8);

/** The weights with noise, as rounding adds it. */
function perturbed(scale: number, seed: number): Map<string, Tensor<'float32'>> {
  const random = createRandom(seed, 2);
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      tensor(
        'float32',
        shape,
        data.map((value) => value * (1 + scale * random.normal())),
      ),
    ]),
  );
}

function randomRow(length: number, seed: number): Uint32Array {
  const random = createRandom(seed, 1);
  return Uint32Array.from({ length }, () => random.integer(config.vocabSize));
}

const graphOf = (tensors: ReadonlyMap<string, Tensor>): Graph => buildInferenceGraph(config, tensors);
const noisy = perturbed(0.2, 3);
const slightlyNoisy = perturbed(1e-3, 4);

/** All logits of a row, from the inference graph alone. */
async function logitsOf(tensors: ReadonlyMap<string, Tensor>, row: Uint32Array): Promise<Float32Array[]> {
  const session: Session = await createSession(encodeOnnx(graphOf(tensors)));
  const { logits } = await session.run(padRows([row], config).feeds);
  await session.release();
  return Array.from({ length: row.length - 1 }, (_, at) =>
    (logits as Tensor<'float32'>).data.subarray(at * config.vocabSize, (at + 1) * config.vocabSize),
  );
}

describe('a logit comparer', () => {
  let comparer: LogitComparer;
  beforeAll(async () => {
    comparer = await createLogitComparer(config, { name: 'fp32', model: graphOf(weights) }, [
      { name: 'same', model: encodeOnnx(graphOf(weights)) },
      { name: 'noisy', model: graphOf(noisy) },
      { name: 'close', model: graphOf(slightlyNoisy) },
    ]);
  });
  afterAll(() => comparer.release());

  it('names the variants, the baseline first', () => {
    expect(comparer.names).toEqual(['fp32', 'same', 'noisy', 'close']);
  });

  it('scores as a token scorer does', async () => {
    const rows = [30, 2, 17].map((length, index) => randomRow(length, 20 + index));
    const compared = await comparer.compare(rows.map((tokens) => ({ tokens })));
    for (const [model, tensors] of [weights, weights, noisy, slightlyNoisy].entries()) {
      const scorer = await createTokenScorer(graphOf(tensors), config);
      const scores = await scorer.score(rows);
      await scorer.release();
      for (const [index, { nats }] of compared.entries()) {
        expect(nats[model]).toHaveLength((rows[index]?.length as number) - 1);
        expect(maxDifference(nats[model] ?? [], scores[index] ?? [])).toBeLessThan(1e-5);
      }
    }
  });

  it('finds nothing between a model and itself: equal to the last bit', async () => {
    const [row] = (await comparer.compare([{ tokens: randomRow(40, 5) }])) as [RowComparison];
    expect(row.nats[1]).toEqual(row.nats[0]);
    expect(row.divergences[0]).toEqual(new Float32Array(39));
    expect(row.agreements[0]).toEqual(new Uint8Array(39).fill(1));
  });

  it('gives the divergence and agreement that plain arithmetic gives on the logits', async () => {
    const tokens = randomRow(25, 6);
    const [row] = (await comparer.compare([{ tokens }])) as [RowComparison];
    const baseline = await logitsOf(weights, tokens);
    for (const [candidate, tensors] of [weights, noisy, slightlyNoisy].entries()) {
      if (candidate === 0) continue;
      const logits = await logitsOf(tensors, tokens);
      const top = (values: Float32Array) => values.indexOf(Math.max(...values));
      for (const [at, own] of logits.entries()) {
        const expected = divergenceOf(baseline[at] as Float32Array, own);
        expect(expected).toBeGreaterThan(0);
        expect(Math.abs((row.divergences[candidate]?.[at] as number) / expected - 1)).toBeLessThan(2e-2);
        expect(row.agreements[candidate]?.[at]).toBe(top(baseline[at] as Float32Array) === top(own) ? 1 : 0);
      }
    }
    const total = (values: Float32Array | undefined) => values?.reduce((sum, value) => sum + value, 0) as number;
    expect(total(row.divergences[1])).toBeGreaterThan(100 * total(row.divergences[2]));
    expect(new Set(row.agreements[1])).toEqual(new Set([0, 1]));
  });

  it('gives the same for rows together, alone, and from a later token on', async () => {
    const rows = [30, 3, 17].map((length, index) => randomRow(length, 40 + index));
    const starts = [12, 2, 1];
    const together = await comparer.compare(
      rows.map((tokens, index) => ({ tokens, scoreFrom: starts[index] as number })),
    );
    for (const [index, tokens] of rows.entries()) {
      const [alone] = (await comparer.compare([{ tokens }])) as [RowComparison];
      const start = (starts[index] as number) - 1;
      const row = together[index] as RowComparison;
      expect(row.divergences[1]).toHaveLength(tokens.length - 1 - start);
      expect(maxDifference(row.nats[2] ?? [], alone.nats[2]?.subarray(start) ?? [])).toBeLessThan(1e-5);
      expect(maxDifference(row.divergences[1] ?? [], alone.divergences[1]?.subarray(start) ?? [])).toBeLessThan(1e-5);
      expect(row.agreements[1]).toEqual(alone.agreements[1]?.subarray(start));
    }
  });

  it('keeps earlier results when it is used again, for smaller and larger batches', async () => {
    const [first] = (await comparer.compare([{ tokens: randomRow(20, 7) }])) as [RowComparison];
    const copy = structuredClone(first);
    await comparer.compare([{ tokens: randomRow(4, 8) }]);
    await comparer.compare([{ tokens: randomRow(60, 9) }, { tokens: randomRow(50, 10) }]);
    expect(first).toEqual(copy);
  });

  it('compares long rows part by part', async () => {
    // 524,288 logits at once are 1,747 tokens of this vocabulary.
    const tokens = randomRow(1900, 11);
    const [row] = (await comparer.compare([{ tokens }])) as [RowComparison];
    const [end] = (await comparer.compare([{ tokens, scoreFrom: 1740 }])) as [RowComparison];
    for (const candidate of [1, 2]) {
      expect(row.divergences[candidate]?.subarray(1739)).toEqual(end.divergences[candidate]);
      expect(row.divergences[candidate]?.every((value) => value > 0)).toBe(true);
    }
    expect(row.nats[0]?.every((value) => value > 0)).toBe(true);
    expect(row.nats[2]?.subarray(1739)).toEqual(end.nats[2]);
  });

  it('says of a damaged candidate that its scores are no numbers, and spares the others', async () => {
    const broken = new Map(weights);
    const { shape, data } = broken.get('model.embed_tokens.weight') as Tensor<'float32'>;
    broken.set('model.embed_tokens.weight', tensor('float32', shape, data.slice().fill(Number.NaN)));
    const other = await createLogitComparer(config, { name: 'fp32', model: graphOf(weights) }, [
      { name: 'broken', model: graphOf(broken) },
      { name: 'same', model: graphOf(weights) },
    ]);
    const [row] = (await other.compare([{ tokens: randomRow(9, 12) }])) as [RowComparison];
    await other.release();
    expect(row.nats[1]?.every(Number.isNaN)).toBe(true);
    expect(row.divergences[0]?.every(Number.isNaN)).toBe(true);
    expect(row.nats[2]).toEqual(row.nats[0]);
  });

  it.each([[[]], [[{ tokens: Uint32Array.of(1) }]]])('refuses rows with nothing to score', async (rows) => {
    await expect(comparer.compare(rows)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('createLogitComparer', () => {
  const fp32 = { name: 'fp32', model: graphOf(weights) };
  const otherGraph = (change: Partial<ModelConfig>): Graph => {
    const other = toyConfig(['mamba', 'attention'], change);
    return buildInferenceGraph(other, randomWeights(other, 1));
  };

  it.each<[string, Graph | Uint8Array, RegExp]>([
    ['of another vocabulary', otherGraph({ vocabSize: 310 }), /logits float32\[1, 1, 300\], but gives .*310/],
    ['of another state', otherGraph({ mambaDState: 16 }), /past_conv/],
    ['cut short', encodeOnnx(graphOf(weights)).subarray(0, 5000), /int4 does not run/],
    ['without logits', encodeOnnx(buildDivergenceGraph(300)), /int4 does not run/],
  ])('refuses a variant %s before anything is measured', async (_, model, message) => {
    await expect(createLogitComparer(config, fp32, [{ name: 'int4', model }])).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(message),
      data: { variant: 'int4' },
    });
  });

  it.each([
    [[]],
    [[fp32]],
    [
      [
        { ...fp32, name: 'a' },
        { ...fp32, name: 'a' },
      ],
    ],
  ])('refuses no candidates, and two of one name', async (candidates) => {
    await expect(createLogitComparer(config, fp32, candidates)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
