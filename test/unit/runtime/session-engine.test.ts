import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { tensor } from '../../../src/core/tensor.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { createSessionEngine, type SessionEngine } from '../../../src/runtime/session-engine.ts';
import { zeroStates } from '../../../src/runtime/state.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import { maxDifference, randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';
import { logProbOf } from './trigram-engine.ts';

/** A state-space layer, whose state has one size, and an attention layer, whose state grows. */
const config = toyConfig(['mamba', 'attention']);
const weights = randomWeights(config, 8);

function randomTokens(length: number, seed: number): Uint32Array {
  const random = createRandom(seed, 1);
  return Uint32Array.from({ length }, () => random.integer(config.vocabSize));
}

let session: Session;
let engine: SessionEngine;
/** How many tokens each run of the session was given. */
let runs: number[] = [];
beforeAll(async () => {
  session = await createSession(encodeOnnx(buildInferenceGraph(config, weights)));
  const counted: Session = {
    ...session,
    run(feeds) {
      runs.push(feeds['input_ids']?.shape[1] as number);
      return session.run(feeds);
    },
  };
  engine = createSessionEngine(counted, config);
});
afterAll(() => session.release());

/** The last logits after all tokens in a single run of the graph. */
async function runWhole(tokens: Uint32Array): Promise<Float32Array> {
  const { length } = tokens;
  const results = await session.run({
    ...Object.fromEntries(zeroStates(config, 1)),
    input_ids: tensor('int64', [1, length], BigInt64Array.from(tokens, BigInt)),
    attention_mask: tensor('int64', [1, length], new BigInt64Array(length).fill(1n)),
    num_logits_to_keep: tensor('int64', [], BigInt64Array.of(1n)),
  });
  return results['logits']?.data as Float32Array;
}

describe('a session engine', () => {
  it('reads a long prompt in parts of at most 512 tokens, to the same end as in one', async () => {
    const tokens = randomTokens(1300, 1);
    runs = [];
    const { logits } = await engine.run(tokens);
    expect(runs).toEqual([512, 512, 276]);
    expect(logits).toHaveLength(config.vocabSize);
    expect(maxDifference(logits, await runWhole(tokens))).toBeLessThan(1e-4);
  });

  it.each([
    [511, [511]],
    [512, [512]],
    [513, [512, 1]],
  ])('reads %i tokens in parts %j', async (length, parts) => {
    const tokens = randomTokens(length, 2);
    runs = [];
    const { logits } = await engine.run(tokens);
    expect(runs).toEqual(parts);
    expect(maxDifference(logits, await runWhole(tokens))).toBeLessThan(1e-4);
  });

  it('goes on from a state as if it had read all at once, wherever the cut is', async () => {
    const tokens = randomTokens(40, 3);
    const whole = await engine.run(tokens);
    for (const cut of [1, 3, 17, 39]) {
      const { state } = await engine.run(tokens.subarray(0, cut));
      const { logits } = await engine.run(tokens.subarray(cut), state);
      expect(maxDifference(logits, whole.logits)).toBeLessThan(1e-4);
    }
  });

  it('lets several continuations branch from one state, which stays as it was', async () => {
    const { state } = await engine.run(randomTokens(20, 4));
    const first = await engine.run([1, 2, 3], state);
    const second = await engine.run([4, 5, 6], state);
    expect(maxDifference(first.logits, second.logits)).toBeGreaterThan(1e-3);
    expect((await engine.run([1, 2, 3], state)).logits).toEqual(first.logits);
  });

  it('keeps runs apart that are under way at the same time', async () => {
    const texts = [5, 6, 7].map((seed) => randomTokens(30, seed));
    const together = await Promise.all(texts.map((tokens) => engine.run(tokens)));
    for (const [index, tokens] of texts.entries()) {
      expect(together[index]?.logits).toEqual((await engine.run(tokens)).logits);
    }
  });

  it('gives results that later runs do not overwrite', async () => {
    const { logits } = await engine.run([1, 2]);
    const copy = logits.slice();
    await engine.run([3, 4]);
    expect(logits).toEqual(copy);
  });

  it.each([[[]], [[-1]], [[300]], [[1.5]], [[Number.NaN]], [[1, 2, 300, 3]]])('refuses to run %j', async (tokens) => {
    await expect(engine.run(tokens)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(engine.scoreTokens(tokens)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('refuses a state that is not its own', async () => {
    await expect(engine.run([1], {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('scoring tokens', () => {
  it('gives the probability that a run before each token says', async () => {
    const tokens = randomTokens(12, 9);
    const scores = await engine.scoreTokens(tokens);
    expect(scores).toHaveLength(11);
    for (let at = 1; at < tokens.length; at++) {
      const { logits } = await engine.run(tokens.subarray(0, at));
      expect(scores[at - 1]).toBeCloseTo(logProbOf(logits, tokens[at] as number), 4);
    }
  });

  it('is done in parts, with the numbers of the scorer that takes a text whole', async () => {
    const tokens = randomTokens(1030, 10);
    runs = [];
    const scores = await engine.scoreTokens(tokens);
    expect(runs).toEqual([512, 512, 5]);
    const scorer = await createTokenScorer(buildInferenceGraph(config, weights), config);
    const [nats = new Float32Array(0)] = await scorer.score([tokens]);
    await scorer.release();
    expect(
      maxDifference(
        scores,
        nats.map((value) => -value),
      ),
    ).toBeLessThan(1e-4);
  });

  it('gives nothing for a single token', async () => {
    expect(await engine.scoreTokens([3])).toEqual(new Float32Array(0));
  });

  it('stops between two parts when aborted', async () => {
    const controller = new AbortController();
    runs = [];
    const scored = engine.scoreTokens(randomTokens(1030, 11), controller.signal);
    controller.abort();
    await expect(scored).rejects.toMatchObject({ code: 'ABORTED' });
    expect(runs).toEqual([512]);
  });

  it('refuses scores that are no numbers, as weights that are too large give', async () => {
    const name = 'model.norm.weight';
    const huge = new Map(weights).set(name, tensor('float32', [32], new Float32Array(32).fill(3e38)));
    const broken = await createSession(encodeOnnx(buildInferenceGraph(config, huge)));
    await expect(createSessionEngine(broken, config).scoreTokens([1, 2, 3])).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
    });
    await broken.release();
  });
});
