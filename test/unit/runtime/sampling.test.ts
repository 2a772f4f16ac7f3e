import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { createSampler, logSumExp, type SamplingOptions, samplingDistribution } from '../../../src/runtime/sampling.ts';

const logsOf = (...probabilities: number[]) => Float32Array.from(probabilities, (p) => Math.log(p));
const keptBy = (logits: Float32Array, options: SamplingOptions, history: number[] = []) =>
  [...samplingDistribution(logits, history, options)].flatMap((p, id) => (p > 0 ? [id] : []));

const example = logsOf(0.1, 0.4, 0.05, 0.25, 0.2);

describe('filters', () => {
  it('keeps the k most likely tokens and those as likely as the k-th', () => {
    expect(keptBy(example, { topK: 1 })).toEqual([1]);
    expect(keptBy(example, { topK: 3 })).toEqual([1, 3, 4]);
    expect(keptBy(example, { topK: 99 })).toEqual([0, 1, 2, 3, 4]);
    expect(keptBy(Float32Array.of(2, 1, 1, 1, 0), { topK: 2 })).toEqual([0, 1, 2, 3]);
  });

  it('keeps the fewest tokens that reach top-p', () => {
    expect(keptBy(example, { topP: 0.01 })).toEqual([1]);
    expect(keptBy(example, { topP: 0.39 })).toEqual([1]);
    expect(keptBy(example, { topP: 0.41 })).toEqual([1, 3]);
    expect(keptBy(example, { topP: 0.84 })).toEqual([1, 3, 4]);
    expect(keptBy(example, { topP: 0.86 })).toEqual([0, 1, 3, 4]);
    expect(keptBy(example, { topP: 1 })).toEqual([0, 1, 2, 3, 4]);
  });

  it('keeps tokens that are likely enough beside the most likely one', () => {
    expect(keptBy(example, { minP: 0.49 })).toEqual([1, 3, 4]);
    expect(keptBy(example, { minP: 0.51 })).toEqual([1, 3]);
    expect(keptBy(example, { minP: 1 })).toEqual([1]);
    expect(keptBy(example, { minP: 0 })).toEqual([0, 1, 2, 3, 4]);
  });

  it('applies temperature before top-p, and top-p to what top-k left', () => {
    // Squared and normalised: 0.036, 0.582, 0.009, 0.227, 0.145.
    expect(keptBy(example, { topP: 0.5 })).toEqual([1, 3]);
    expect(keptBy(example, { topP: 0.5, temperature: 0.5 })).toEqual([1]);
    // Of the first two tokens, 0.4 and 0.25, the first has 0.615.
    expect(keptBy(example, { topP: 0.6, topK: 2 })).toEqual([1]);
    expect(keptBy(example, { topP: 0.6 })).toEqual([1, 3]);
  });

  it('divides positive and multiplies negative logits of the history once each', () => {
    const logits = Float32Array.of(2, -1, 1);
    const distribution = samplingDistribution(logits, [0, 1, 0], { repetitionPenalty: 2 });
    const weights = [Math.exp(1), Math.exp(-2), Math.exp(1)];
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [id, weight] of weights.entries()) expect(distribution[id]).toBeCloseTo(weight / total, 12);
  });

  it('agrees with filters written with a full sort, on random logits', () => {
    const random = createRandom(5);
    for (let round = 0; round < 200; round++) {
      const logits = Float32Array.from({ length: 1 + random.integer(60) }, () => 3 * random.normal());
      const options = {
        temperature: 0.2 + 2 * random.uniform(),
        topK: 1 + random.integer(40),
        topP: 0.05 + 0.9 * random.uniform(),
        minP: 0.2 * random.uniform(),
      };
      const distribution = samplingDistribution(logits, [], options);
      const expected = filterBySorting(logits, options);
      for (const [id, probability] of expected.entries()) expect(distribution[id]).toBeCloseTo(probability, 10);
    }
  });
});

/** Each filter as a pass over fully sorted, renormalised probabilities. */
function filterBySorting(
  logits: Float32Array,
  options: Required<Pick<SamplingOptions, 'topK' | 'topP' | 'minP' | 'temperature'>>,
) {
  const { temperature = 1, topK = 1, topP = 1, minP = 0 } = options;
  const normalise = (entries: { id: number; p: number }[]) => {
    const total = entries.reduce((sum, { p }) => sum + p, 0);
    return entries.map(({ id, p }) => ({ id, p: p / total }));
  };
  let entries = normalise([...logits].map((logit, id) => ({ id, p: Math.exp(logit / temperature) })));
  entries = normalise(entries.sort((a, b) => b.p - a.p).slice(0, topK));
  let before = 0;
  entries = normalise(
    entries.filter(({ p }) => {
      before += p;
      return before - p < topP;
    }),
  );
  const highest = Math.max(...entries.map(({ p }) => p));
  entries = normalise(entries.filter(({ p }) => p >= minP * highest));
  const result = new Array<number>(logits.length).fill(0);
  for (const { id, p } of entries) result[id] = p;
  return result;
}

describe('createSampler', () => {
  it('draws as often as the distribution says', () => {
    const options = { temperature: 0.8, topK: 4, seed: 11 };
    const expected = samplingDistribution(example, [], options);
    const sample = createSampler(options);
    const draws = 20_000;
    const counts = new Float64Array(example.length);
    for (let i = 0; i < draws; i++) {
      const { id } = sample(example);
      counts[id] = (counts[id] as number) + 1;
    }
    let chiSquare = 0;
    for (const [id, p] of expected.entries()) {
      const count = counts[id] as number;
      if (p === 0) expect(count).toBe(0);
      else chiSquare += (count - draws * p) ** 2 / (draws * p);
    }
    // The 99.9% point of chi-square with 3 degrees of freedom.
    expect(chiSquare).toBeLessThan(16.27);
  });

  it('draws the same without options, which is a way of its own, as from the distribution', () => {
    const random = createRandom(5);
    const sample = createSampler({ seed: 8 });
    const other = createRandom(8);
    for (let round = 0; round < 300; round++) {
      const logits = Float32Array.from({ length: round % 2 === 0 ? 40 : 300 }, () => 20 * random.uniform() - 10);
      if (round % 3 === 0) logits.fill(-Infinity, 0, 20);
      const probabilities = samplingDistribution(logits);
      const uniform = other.uniform();
      let passed = 0;
      const expected = probabilities.findIndex((probability) => {
        passed += probability;
        return uniform < passed;
      });
      expect(sample(logits)).toEqual({ id: expected, logProb: (logits[expected] as number) - logSumExp(logits) });
    }
  });

  it('takes the most likely token at temperature 0, the first of equals, whatever the filters', () => {
    const random = createRandom(3);
    const sample = createSampler({ temperature: 0, topP: 0.5, topK: 3 });
    for (let round = 0; round < 50; round++) {
      const logits = Float32Array.from({ length: 40 }, () => random.normal());
      expect(sample(logits).id).toBe(logits.indexOf(Math.max(...logits)));
    }
    expect(sample(Float32Array.of(1, 2, 2)).id).toBe(1);
    expect(createSampler({ temperature: 0, repetitionPenalty: 3 })(Float32Array.of(1, 2), [1]).id).toBe(0);
  });

  it('reports the probability under the model, not under the filtered distribution', () => {
    const sample = createSampler({ topK: 1, temperature: 0.1, repetitionPenalty: 1.5, seed: 1 });
    const { id, logProb } = sample(example, [0]);
    expect(id).toBe(1);
    expect(logProb).toBeCloseTo(Math.log(0.4), 6);
  });

  it('repeats with the same seed and reports a seed that it chose itself', () => {
    const drawMany = (seed?: number) => {
      const sample = createSampler({ seed });
      return { ids: Array.from({ length: 40 }, () => sample(example).id), seed: sample.seed };
    };
    const first = drawMany();
    expect(drawMany(first.seed).ids).toEqual(first.ids);
    expect(drawMany(first.seed + 1 < 2 ** 32 ? first.seed + 1 : 0).ids).not.toEqual(first.ids);
    expect(drawMany(7).seed).toBe(7);
  });

  it('neither overflows nor underflows', () => {
    const extreme = Float32Array.of(3e38, -3e38, -Infinity, 3e38);
    for (const temperature of [1e-300, 1, 1e300]) {
      const distribution = samplingDistribution(extreme, [], { temperature });
      expect(distribution.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
      expect(distribution[2]).toBe(0);
      expect(distribution[0]).toBe(distribution[3]);
    }
    expect(createSampler({ seed: 1 })(Float32Array.of(1000, 0)).logProb).toBe(0);
    expect(logSumExp(Float32Array.of(-1000, -1000))).toBeCloseTo(-1000 + Math.LN2, 9);
  });

  it('refuses logits that are no scores', () => {
    for (const bad of [[0, NaN], [NaN, 0], [1, Infinity], [-Infinity, -Infinity], []]) {
      for (const temperature of [0, 1]) {
        const sample = createSampler({ temperature, seed: 1 });
        expect(() => sample(Float32Array.from(bad))).toThrow(expect.objectContaining({ code: 'RUNTIME_FAILED' }));
      }
    }
  });

  it('refuses options out of range, naming what was expected and what came', () => {
    const bad: SamplingOptions[] = [
      { temperature: -0.1 },
      { temperature: Infinity },
      { temperature: NaN },
      { topK: 0 },
      { topK: 1.5 },
      { topP: 0 },
      { topP: 1.1 },
      { minP: -0.1 },
      { minP: 2 },
      { repetitionPenalty: 0 },
      { repetitionPenalty: Infinity },
      { seed: -1 },
      { seed: 0.5 },
      { seed: 2 ** 32 },
    ];
    for (const options of bad) {
      const [name, got] = Object.entries(options)[0] as [string, number];
      expect(() => createSampler(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(() => createSampler(options)).toThrow(new RegExp(`${name}: expected .*, got ${got}`));
    }
    expect(() => createSampler({ topK: '3' as unknown as number })).toThrow(/topK: expected .*, got 3/);
    expect(() => createSampler({ repetitionPenalty: 2 })(example, [5])).toThrow(/history/);
  });
});

describe('presence and frequency penalties', () => {
  const seen = new Map([
    [0, 3],
    [2, 1],
  ]);
  const logits = Float32Array.of(2, 1, 1);
  const expected = (...scores: number[]) => {
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    return scores.map((score) => Math.exp(score) / total);
  };

  it('are subtracted from the logits of drawn tokens, once and once for each time', () => {
    const options = { presencePenalty: 0.5, frequencyPenalty: 0.25 };
    const distribution = [...samplingDistribution(logits, [], options, seen)];
    for (const [id, p] of expected(2 - 0.5 - 0.75, 1, 1 - 0.5 - 0.25).entries()) {
      expect(distribution[id]).toBeCloseTo(p, 12);
    }
  });

  it('count what the sampler has drawn itself, not the history', () => {
    const sample = createSampler({ temperature: 0, presencePenalty: 1.5 });
    expect([0, 1, 2, 3].map(() => sample(logits, [1, 1, 1]).id)).toEqual([0, 1, 2, 0]);
  });

  it.each(['presencePenalty', 'frequencyPenalty'])('must be finite: %s', (name) => {
    expect(() => createSampler({ [name]: Number.POSITIVE_INFINITY })).toThrow(
      `Option ${name}: expected a finite number`,
    );
  });
});

describe('alternatives', () => {
  it('are the most likely tokens under the model itself, with the lower id first among equals', () => {
    const sample = createSampler({ temperature: 0, alternatives: 3, presencePenalty: 1 });
    const { alternatives = [] } = sample(Float32Array.of(1, 3, 1, 2));
    expect(alternatives.map(({ id }) => id)).toEqual([1, 3, 0]);
    expect(Math.exp(alternatives[0]?.logProb as number)).toBeCloseTo(
      Math.exp(3) / (2 * Math.E + Math.exp(2) + Math.exp(3)),
      6,
    );
  });

  it('are all tokens if there are no more, and absent unless asked for', () => {
    expect(createSampler({ alternatives: 9 })(Float32Array.of(1, 2)).alternatives).toHaveLength(2);
    expect(createSampler({ alternatives: 0 })(Float32Array.of(1, 2))).not.toHaveProperty('alternatives');
    expect(() => createSampler({ alternatives: -1 })).toThrow('Option alternatives');
  });
});
