import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../../src/core/tensor.ts';
import { type LogitRunner, verifyExport } from '../../../src/export/verification.ts';
import { type ModelReferenceState, referenceModel } from '../../../src/models/causal-lm-reference.ts';
import { randomTokens } from '../../parity/model-forms.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

const config = toyConfig({ layersBlockType: ['mamba', 'attention'], positionEmbeddingType: 'rope' });
const weights = randomWeights(config, 8);
const [text = []] = randomTokens(1, 80, config.vocabSize, 6);
const options = { bounds: { logits: 1e-9, perplexity: 1e-9 }, text, seed: 1 };

/** The reference as an export of some weights, altered. */
function runnerOf(
  own: ReadonlyMap<string, Tensor>,
  alter: (logits: Float64Array) => Float64Array = (x) => x,
): LogitRunner {
  const states: ModelReferenceState[][] = [];
  return {
    async step(rows, state) {
      const results = rows.map((row, index) => referenceModel(config, own, row, states[state ?? -1]?.[index]));
      states.push(results.map((result) => result.state));
      const vocab = config.vocabSize;
      const logits = new Float64Array(results.length * (rows[0]?.length ?? 0) * vocab);
      results.forEach((result, index) => {
        logits.set(result.logits, index * result.logits.length);
      });
      return { logits: alter(logits), state: states.length - 1 };
    },
  };
}

const failed = async (runner: LogitRunner, given: Partial<typeof options> = {}): Promise<readonly string[]> =>
  (await verifyExport(runner, config, weights, { ...options, ...given })).flatMap(({ passed, metric }) =>
    passed ? [] : [metric],
  );

describe('verifyExport', () => {
  it('passes what is equal, and says what was compared', async () => {
    const progress: number[] = [];
    const checks = await verifyExport(runnerOf(weights), config, weights, {
      ...options,
      onCheck: (done, total) => progress.push(done / total),
    });
    expect(checks.every(({ passed }) => passed)).toBe(true);
    expect(checks.map(({ metric, batch, length }) => [metric, batch, length])).toEqual([
      ['max_abs_difference', 1, 1],
      ['max_abs_difference', 3, 2],
      ['max_abs_difference', 2, 33],
      ['max_abs_difference', 1, 131],
      ['max_abs_difference', 1, 81],
      ['perplexity_ratio', 1, 80],
      ['top1_agreement', 1, 32],
    ]);
    expect(progress.at(-1)).toBe(1);
  });

  it.each([...weights.keys()])('notices a change of %s', async (name) => {
    const tensor = weights.get(name) as Tensor<'float32'>;
    // All of it, since no token may visit an expert or read a row of the embedding.
    const data = tensor.data.map((value) => value * 1.001 + 1e-4);
    expect(await failed(runnerOf(new Map<string, Tensor>(weights).set(name, { ...tensor, data })))).toContain(
      'max_abs_difference',
    );
  });

  it.each<[string, (logits: Float64Array) => Float64Array]>([
    ['NaN', (logits) => logits.with(0, Number.NaN)],
    ['too few logits', (logits) => logits.subarray(config.vocabSize)],
    ['no logits', () => new Float64Array(0)],
  ])('fails for %s', async (_, alter) => {
    expect(await failed(runnerOf(weights, alter))).toContain('max_abs_difference');
  });

  it('fails where the state is lost', async () => {
    const runner = runnerOf(weights);
    const forgetful: LogitRunner = { step: async (rows) => runner.step(rows) };
    expect(await failed(forgetful)).toEqual(expect.arrayContaining(['max_abs_difference', 'top1_agreement']));
  });

  it('has a bound for the perplexity of its own', async () => {
    const shifted = runnerOf(weights, (logits) =>
      logits.map((value, at) => (at % config.vocabSize === 3 ? value + 0.01 : value)),
    );
    expect(await failed(shifted, { bounds: { logits: 1, perplexity: 1e-5 } })).toContain('perplexity_ratio');
  });

  it('refuses a text that is too short, and stops when aborted', async () => {
    await expect(failed(runnerOf(weights), { text: [1, 2, 3] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const given = { ...options, signal: AbortSignal.abort() };
    await expect(verifyExport(runnerOf(weights), config, weights, given)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
