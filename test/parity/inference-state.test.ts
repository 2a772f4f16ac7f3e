import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/core/tensor.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { type Call, type InferenceForm, loadInferenceForm, randomTokens } from './model-forms.ts';
import { maxDifference, randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

const tolerance = 1e-5;

const models: readonly { name: string; config: ModelConfig }[] = [
  { name: 'mamba with experts', config: toyConfig({ mambaNGroups: 2 }) },
  {
    name: 'mamba without bias of the convolution',
    config: toyConfig({ mambaConvBias: false, mambaProjBias: true, mambaDConv: 2 }),
  },
  {
    name: 'attention without positions',
    config: toyConfig({ layersBlockType: ['attention', 'attention'], numKeyValueHeads: 1 }),
  },
  {
    name: 'attention with rotary embedding',
    config: toyConfig({
      layersBlockType: ['attention', 'attention'],
      positionEmbeddingType: 'rope',
      numLocalExperts: 0,
      numExpertsPerTok: 0,
      embeddingMultiplier: 3,
      logitsScaling: 2,
    }),
  },
  {
    name: 'mixed layers',
    config: toyConfig({
      layersBlockType: ['attention', 'mamba', 'attention'],
      positionEmbeddingType: 'rope',
      residualMultiplier: 0.7,
      tieWordEmbeddings: false,
    }),
  },
];

/** Part of one row's logits: positions [from, to). */
function logitsOf({ logits }: Call, row: number, from: number, to: number): Float32Array {
  const [, length = 0, width = 0] = logits.shape;
  return (logits.data as Float32Array).subarray((row * length + from) * width, (row * length + to) * width);
}

/** One row of a state; of keys and values, `[B, H, S, P]`, the newest `length` positions. */
function stateOf(tensor: Tensor, name: string, row: number, length: number): Float32Array {
  const data = tensor.data as Float32Array;
  const size = data.length / (tensor.shape[0] as number);
  const own = data.subarray(row * size, (row + 1) * size);
  if (!/\.(key|value)$/.test(name)) return own;
  const [, heads = 0, positions = 0, width = 0] = tensor.shape;
  return Float32Array.from(
    Array.from({ length: heads }, (_, head) => [
      ...own.subarray(((head + 1) * positions - length) * width, (head + 1) * positions * width),
    ]).flat(),
  );
}

/** Checks that row `row` of `call` ends in the state that the only row of `alone` ends in. */
function expectSameState(call: Call, row: number, alone: Call): void {
  for (const [name, expected] of Object.entries(alone.state)) {
    const actual = stateOf(call.state[name] as Tensor, name, row, alone.length);
    expect(maxDifference(actual, stateOf(expected, name, 0, alone.length)), name).toBeLessThan(tolerance);
  }
}

describe.each(models)('$name', ({ config }) => {
  let form: InferenceForm;

  beforeAll(async () => {
    form = await loadInferenceForm(config, randomWeights(config, 21));
  });

  afterAll(() => form.release());

  test.each([
    [1, 1, 1, 1, 1, 1, 1, 1, 1],
    [8, 1],
    [1, 8],
    [3, 4, 2],
  ])('carries its state over calls of %i, %i, ... tokens', async (...lengths) => {
    const tokens = randomTokens(2, 9, config.vocabSize, 5);
    const whole = await form.call(tokens);
    let call: Call | undefined;
    for (const length of lengths) {
      const from: number = call?.length ?? 0;
      call = await form.call(
        tokens.map((row) => row.slice(from, from + length)),
        call && { past: call },
      );
      for (const row of [0, 1]) {
        const expected = logitsOf(whole, row, from, from + length);
        expect(maxDifference(logitsOf(call, row, 0, length), expected)).toBeLessThan(tolerance);
      }
    }
    expect(call?.length).toBe(9);
    for (const [name, { shape, data }] of Object.entries(whole.state)) {
      expect(call?.state[name]?.shape).toEqual(shape);
      expect(maxDifference(call?.state[name]?.data as Float32Array, data as Float32Array), name).toBeLessThan(
        tolerance,
      );
    }
  });

  test('a row of a batch equals the row alone', async () => {
    const tokens = randomTokens(3, 7, config.vocabSize, 6);
    const together = await form.call(tokens);
    for (const [row, own] of tokens.entries()) {
      const alone = await form.call([own]);
      expect(maxDifference(logitsOf(together, row, 0, 7), logitsOf(alone, 0, 0, 7))).toBeLessThan(tolerance);
      expectSameState(together, row, alone);
    }
  });

  test('left padding changes neither logits nor states, nor what follows', async () => {
    const texts = [7, 4, 1, 6].map((length, seed) => randomTokens(1, length, config.vocabSize, seed)[0] as number[]);
    const longest = 7;
    const padded = texts.map((text, row) => [...Array(longest - text.length).fill(row), ...text]);
    const mask = texts.map((text) => padded[0]?.map((_, at) => (at < longest - text.length ? 0 : 1)) ?? []);
    const together = await form.call(padded, { mask });
    const next = randomTokens(4, 3, config.vocabSize, 9);
    const nextMask = mask.map((row) => [...row, 1, 1, 1]);
    const after = await form.call(next, { past: together, mask: nextMask });
    for (const [row, text] of texts.entries()) {
      const alone = await form.call([text]);
      const from = longest - text.length;
      const difference = maxDifference(logitsOf(together, row, from, longest), logitsOf(alone, 0, 0, text.length));
      expect(difference).toBeLessThan(tolerance);
      expectSameState(together, row, alone);
      const then = await form.call([next[row] as number[]], { past: alone });
      expect(maxDifference(logitsOf(after, row, 0, 3), logitsOf(then, 0, 0, 3))).toBeLessThan(tolerance);
      expectSameState(after, row, then);
    }
  });

  test('the content of padding does not matter', async () => {
    const mask = [[0, 0, 1, 1, 1]];
    const first = await form.call([[0, 0, 3, 4, 5]], { mask });
    const second = await form.call([[9, 7, 3, 4, 5]], { mask });
    expect(maxDifference(logitsOf(first, 0, 2, 5), logitsOf(second, 0, 2, 5))).toBeLessThan(1e-6);
    expect(maxDifference(logitsOf(first, 0, 0, 2), logitsOf(second, 0, 0, 2))).toBeGreaterThan(1e-2);
  });

  test('num_logits_to_keep keeps the last positions, 0 and too many keep all', async () => {
    const tokens = randomTokens(2, 5, config.vocabSize, 7);
    const whole = await form.call(tokens);
    for (const [keep, kept] of [
      [1, 1],
      [3, 3],
      [5, 5],
      [99, 5],
      [0, 5],
    ] as const) {
      const call = await form.call(tokens, { keep });
      expect(call.logits.shape).toEqual([2, kept, config.vocabSize]);
      for (const row of [0, 1]) {
        const difference = maxDifference(logitsOf(call, row, 0, kept), logitsOf(whole, row, 5 - kept, 5));
        expect(difference).toBeLessThan(tolerance);
      }
      expect(call.state).toEqual(whole.state);
    }
  });
});
