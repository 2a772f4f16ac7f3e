import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { createTokenScorer, type TokenScorer } from '../../../src/runtime/token-scorer.ts';
import { maxDifference, randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';

const config = toyConfig();
const weights = randomWeights(config, 8);

function randomRow(length: number, seed: number): Uint32Array {
  const random = createRandom(seed, 1);
  return Uint32Array.from({ length }, () => random.integer(config.vocabSize));
}

let scorer: TokenScorer;
beforeAll(async () => {
  scorer = await createTokenScorer(buildInferenceGraph(config, weights), config);
});
afterAll(() => scorer.release());

describe('a token scorer', () => {
  it('gives one positive number of nats for every token but the first', async () => {
    const [scores] = await scorer.score([randomRow(20, 1)]);
    expect(scores).toBeInstanceOf(Float32Array);
    expect(scores).toHaveLength(19);
    expect(scores?.every((nats) => nats > 0 && Number.isFinite(nats))).toBe(true);
  });

  it('gives probabilities: over all tokens that could come next they add up to 1', async () => {
    const context = randomRow(6, 2);
    const rows = Array.from({ length: config.vocabSize }, (_, token) => Uint32Array.of(...context, token));
    const last = (await scorer.score(rows)).map((scores) => Math.exp(-(scores.at(-1) as number)));
    expect(last.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 5);
  });

  it('is not moved by tokens that come later', async () => {
    const row = randomRow(30, 3);
    const [whole] = await scorer.score([row]);
    const changed = Uint32Array.from(row).fill(7, 20);
    const [other] = await scorer.score([changed]);
    expect(maxDifference(other?.subarray(0, 18) ?? [], whole?.subarray(0, 18) ?? [])).toBeLessThan(1e-5);
    expect(maxDifference(other ?? [], whole ?? [])).toBeGreaterThan(1e-2);
  });

  it('scores rows of any lengths together as it does each alone', async () => {
    const rows = [30, 2, 17, 30, 5].map((length, index) => randomRow(length, 10 + index));
    const together = await scorer.score(rows);
    for (const [index, row] of rows.entries()) {
      const [alone] = await scorer.score([row]);
      expect(together[index]).toHaveLength(row.length - 1);
      expect(maxDifference(together[index] ?? [], alone ?? [])).toBeLessThan(1e-5);
    }
  });

  it('keeps earlier results when it is used again', async () => {
    const [first] = await scorer.score([randomRow(10, 4)]);
    const copy = first?.slice();
    await scorer.score([randomRow(10, 5)]);
    expect(first).toEqual(copy);
  });

  it('leaves its rows as they are, also where they are views', async () => {
    const all = randomRow(40, 6);
    const copy = all.slice();
    const [view] = await scorer.score([all.subarray(10, 25)]);
    const [own] = await scorer.score([all.slice(10, 25)]);
    expect(view).toEqual(own);
    expect(all).toEqual(copy);
  });

  it('gives nothing for a row of one token beside a longer one', async () => {
    const [short, long] = await scorer.score([Uint32Array.of(3), randomRow(4, 7)]);
    expect(short).toHaveLength(0);
    expect(long).toHaveLength(3);
  });

  it.each([[[]], [[Uint32Array.of(1)]], [[new Uint32Array(0)]]])('refuses rows with nothing to score', async (rows) => {
    await expect(scorer.score(rows)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('refuses tokens that the model does not know', async () => {
    await expect(scorer.score([Uint32Array.of(1, 2, config.vocabSize, 3)])).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
    });
    expect(await scorer.score([randomRow(4, 9)])).toHaveLength(1);
  });
});

describe('createTokenScorer', () => {
  it('refuses a graph without logits', async () => {
    await expect(createTokenScorer(new Graph(), config)).rejects.toMatchObject({ code: 'GRAPH_INVALID' });
  });

  it('gives the same numbers with two threads', async () => {
    const other = await createTokenScorer(buildInferenceGraph(config, weights), config, { threads: 2 });
    const rows = [randomRow(12, 1), randomRow(9, 2)];
    const [two, one] = [await other.score(rows), await scorer.score(rows)];
    await other.release();
    for (const [index, scores] of one.entries()) expect(maxDifference(two[index] ?? [], scores)).toBeLessThan(1e-5);
  });
});
