import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { encodeInferenceModel } from '../../../src/models/inference-model.ts';
import { createBatchedEngine } from '../../../src/runtime/batched-engine.ts';
import { generate } from '../../../src/runtime/generation.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { createModelTokenizer } from '../../../src/runtime/model.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { createSessionEngine } from '../../../src/runtime/session-engine.ts';

/** A session, and the rows and tokens of each of its runs. */
async function recordRuns() {
  const folder = await openModel('itera-lite-micro');
  const real = await createSession(encodeInferenceModel(folder));
  const runs: string[] = [];
  const session: Session = {
    ...real,
    run(feeds, ...rest) {
      runs.push((feeds['input_ids'] as Tensor).shape.join(' x '));
      return real.run(feeds, ...rest);
    },
  };
  return { folder, real, session, runs };
}

describe('a batched engine', () => {
  it('runs texts that grow at once as one batch, though each takes its steps of promises between two tokens', async () => {
    const { folder, real, session, runs } = await recordRuns();
    const engine = createBatchedEngine(session, folder.config, { maxBatch: 8 });
    const tokenizer = createModelTokenizer(folder);
    // As deep as a request lies within the server.
    async function* passOn(seed: number) {
      yield* generate(engine, tokenizer, 'Once upon a time', { maxNewTokens: 12, temperature: 0.2, seed });
    }
    await Promise.all(
      Array.from({ length: 8 }, async (_, seed) => {
        const pieces: string[] = [];
        for await (const { text } of passOn(seed)) pieces.push(text);
        expect(pieces).toHaveLength(12);
      }),
    );
    await real.release();
    const steps = runs.filter((run) => run.endsWith(' x 1'));
    // They begin one after the other, as their prompts are read; then nobody is left out.
    expect(steps.filter((run) => run === '8 x 1').length).toBeGreaterThanOrEqual(3);
    const tokens = steps.reduce((sum, run) => sum + Number.parseInt(run, 10), 0);
    // Besides the tokens of the texts, a quarter at most for rows whose text has ended.
    expect(tokens).toBeGreaterThanOrEqual(8 * 11);
    expect(tokens).toBeLessThanOrEqual((8 * 11 * 4) / 3);
    expect(steps.length).toBeLessThanOrEqual(12 + 8);
  });

  it('gives each row what it would get alone while texts join and leave, and go on from one state twice', async () => {
    const { folder, real, session, runs } = await recordRuns();
    const engine = createBatchedEngine(session, folder.config, { maxBatch: 8 });
    const alone = createSessionEngine(real, folder.config);
    const random = createRandom(5);
    const compare = async (tokens: readonly number[], logits: Float32Array): Promise<void> => {
      const expected = (await alone.run(tokens)).logits;
      for (let id = 0; id < expected.length; id += 97) {
        expect(logits[id] as number).toBeCloseTo(expected[id] as number, 3);
      }
    };
    // Texts of other lengths, each replaced by the next when it ends, some split in two.
    async function write(): Promise<void> {
      for (let text = 0; text < 4; text++) {
        const tokens = [random.integer(500), random.integer(500)];
        let step = await engine.run([...tokens]);
        const length = 1 + random.integer(12);
        for (let at = 0; at < length; at++) {
          const [next, other] = [random.integer(500), random.integer(500)];
          const branches = at % 3 === 2 ? [engine.run([other], step.state)] : [];
          const before = [...tokens];
          tokens.push(next);
          const [after, ...others] = await Promise.all([engine.run([next], step.state), ...branches]);
          if (others[0]) await compare([...before, other], others[0].logits);
          step = after as typeof step;
        }
        await compare(tokens, step.logits);
      }
    }
    await Promise.all(Array.from({ length: 8 }, write));
    await real.release();
    expect(runs.some((run) => /^[4-8] x 1$/.test(run))).toBe(true);
  });

  it('gives each row what it would get alone', async () => {
    const { folder, real, session } = await recordRuns();
    const engine = createBatchedEngine(session, folder.config);
    const alone = createSessionEngine(real, folder.config);
    const rows = await Promise.all([[5, 6, 7], [8], [9], [10]].map((tokens) => engine.run(tokens)));
    const next = await Promise.all(rows.map(({ state }) => engine.run([11], state)));
    for (const [at, tokens] of [[5, 6, 7], [8], [9], [10]].entries()) {
      const expected = (await alone.run([...tokens, 11])).logits;
      const got = next[at]?.logits as Float32Array;
      expect(Math.max(...got.map((value, id) => Math.abs(value - (expected[id] as number))))).toBeLessThan(1e-3);
    }
    await real.release();
  });
});
