import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { gradients } from '../../../src/graph/gradient.ts';
import { Graph, type Value } from '../../../src/graph/graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { feedbackLoss } from '../../../src/training/feedback-loss.ts';
import { createToySampler, createToyStepper, toySizes } from './toy-model.ts';

const [rows, vocabSize, topK] = [6, 7, 3];
const random = createRandom(13, 1);
const randomRow = (): number[] => Array.from({ length: vocabSize }, () => 1.5 * random.normal());
const student = Array.from({ length: rows }, randomRow);
const teacher = Array.from({ length: rows }, () => softmaxOf(randomRow()));
const targets = Array.from({ length: rows }, () => random.integer(vocabSize));
const best = teacher.map((p) => [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number)).slice(0, topK));
const logits = tensor('float32', [rows, vocabSize], Float32Array.from(student.flat()));
/** Rows that are imitated, avoided, followed, and all at once. */
const positions = {
  imitate: [1, 0, 0, 2, 0.5, 0],
  avoid: [0, 1.5, 0, 0, 0.5, 0],
  follow: [0, 0, 1, 0.5, 0.5, 0],
} as const;

function softmaxOf(values: readonly number[]): number[] {
  const powers = values.map((value) => Math.exp(value - Math.max(...values)));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

const row = (values: readonly number[]): Tensor => tensor('float32', [rows], Float32Array.from(values));
const fixed = {
  targets: tensor('int64', [rows], BigInt64Array.from(targets, BigInt)),
  ids: tensor('int64', [rows, topK], BigInt64Array.from(best.flat(), BigInt)),
  weights: tensor(
    'float32',
    [rows, topK],
    Float32Array.from(best.flatMap((ids, at) => ids.map((id) => teacher[at]?.[id] as number))),
  ),
  targetWeights: row(best.map((ids, at) => (ids.includes(targets[at] as number) ? 0 : 1))),
  imitate: row(positions.imitate),
  avoid: row(positions.avoid),
  follow: row(positions.follow),
};

let session: Session;
beforeAll(async () => {
  const graph = new Graph();
  const floats = (name: string): Value => graph.input(name, 'float32', [rows]);
  const input = graph.input('logits', 'float32', [rows, vocabSize]);
  const found = feedbackLoss(
    input,
    graph.input('targets', 'int64', [rows]),
    {
      ids: graph.input('ids', 'int64', [rows, topK]),
      weights: graph.input('weights', 'float32', [rows, topK]),
      targetWeights: floats('targetWeights'),
    },
    { imitate: floats('imitate'), avoid: floats('avoid'), follow: floats('follow') },
  );
  for (const [name, value] of Object.entries(found)) graph.output(name, value);
  graph.output('gradient', gradients(found.objective, [input])[0] as Value);
  session = await createSession(encodeOnnx(graph));
});
afterAll(() => session.release());

describe('feedbackLoss', () => {
  it('is the formula, computed here in float64', async () => {
    const results = await session.run({ logits, ...fixed });
    let [objective, loss, divergence] = [0, 0, 0];
    for (const [at, values] of student.entries()) {
      const [p, q] = [teacher[at] as number[], softmaxOf(values)];
      const ids = best[at] as number[];
      const target = q[targets[at] as number] as number;
      const wanted =
        (positions.imitate[at] as number) * -Math.log(target) + (positions.avoid[at] as number) * -Math.log(1 - target);
      const tail = ids.includes(targets[at] as number) ? 0 : -Math.log(target);
      const crossed = ids.reduce((sum, id) => sum - (p[id] as number) * Math.log(q[id] as number), tail);
      const mass = (from: readonly number[]): number => ids.reduce((sum, id) => sum + (from[id] as number), 0);
      const inside = ids.reduce(
        (sum, id) => sum + (p[id] as number) * Math.log((p[id] as number) / (q[id] as number)),
        0,
      );
      const apart = inside + (1 - mass(p)) * Math.log((1 - mass(p)) / (1 - mass(q)));
      objective += wanted + (positions.follow[at] as number) * crossed;
      loss += wanted;
      divergence += (positions.follow[at] as number) * apart;
    }
    for (const [name, sum] of Object.entries({ objective, loss, divergence })) {
      expect(Number(results[name]?.data[0]), name).toBeCloseTo(sum / rows, 5);
    }
  });

  it('has the gradient that differences show', async () => {
    const gradient = Array.from((await session.run({ logits, ...fixed }))['gradient']?.data as Float32Array, Number);
    const at = async (index: number, step: number): Promise<number> => {
      const moved = (logits.data as Float32Array).slice();
      moved[index] = (moved[index] as number) + step;
      const results = await session.run({ logits: tensor('float32', logits.shape, moved), ...fixed });
      return Number(results['objective']?.data[0]);
    };
    const h = 0.02;
    for (const [index, slope] of gradient.entries()) {
      const near = (await at(index, h)) - (await at(index, -h));
      const far = (await at(index, 2 * h)) - (await at(index, -2 * h));
      expect(Math.abs((8 * near - far) / (12 * h) - slope), `${index}`).toBeLessThan(1e-4);
    }
    expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(0.01);
    expect(gradient.slice(-vocabSize).every((slope) => slope === 0)).toBe(true);
  });

  it('stays finite where an unwanted token is certain', async () => {
    const certain = (logits.data as Float32Array).slice();
    certain[vocabSize + (targets[1] as number)] = 200;
    const results = await session.run({ logits: tensor('float32', logits.shape, certain), ...fixed });
    for (const name of ['objective', 'gradient']) {
      expect(Array.from(results[name]?.data as Float32Array, Number).every(Number.isFinite), name).toBe(true);
    }
  });
});

describe('a stepper that learns from feedback', () => {
  const tokens = toySizes.batchSize * toySizes.sequenceLength;
  const rowsOf = (id: bigint) => ({
    ids: new BigInt64Array(tokens).fill(id),
    weights: new Float32Array(tokens).fill(0.5),
    targetWeights: new Float32Array(tokens).fill(1),
  });
  const all = (value: number): Float32Array => new Float32Array(tokens).fill(value);

  it.each([
    ['imitated', { imitate: all(1), avoid: all(0), follow: all(0) }, -1],
    ['avoided', { imitate: all(0), avoid: all(1), follow: all(0) }, 1],
  ])('makes a text that is %s more or less probable', async (_, weights, sign) => {
    const stepper = await createToyStepper({ feedback: { topK: 1 } });
    const batch = createToySampler().next();
    const first = await stepper.step(batch, 0.01, rowsOf(3n), weights);
    for (let step = 0; step < 5; step++) await stepper.step(batch, 0.01, rowsOf(3n), weights);
    const imitation = { imitate: all(1), avoid: all(0), follow: all(0) };
    const { loss } = await stepper.step(batch, 0.01, rowsOf(3n), imitation);
    await stepper.release();
    const chance = Math.log(300);
    expect(first.loss).toBeGreaterThan(0);
    expect(Math.sign(loss - chance)).toBe(sign);
  });

  it('refuses a step without weights, or with those of another batch', async () => {
    const stepper = await createToyStepper({ feedback: { topK: 1 } });
    const batch = createToySampler().next();
    await expect(stepper.step(batch, 0.01, rowsOf(3n))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const short = { imitate: all(1), avoid: all(0).subarray(1), follow: all(0) };
    await expect(stepper.step(batch, 0.01, rowsOf(3n), short)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await stepper.release();
  });
});
