import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { gradients } from '../../../src/graph/gradient.ts';
import { Graph, type Value } from '../../../src/graph/graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession, type Session } from '../../../src/runtime/session.ts';
import { distillationLoss } from '../../../src/training/distillation-loss.ts';
import { crossEntropy } from '../../../src/training/loss.ts';

const opened: Session[] = [];
afterEach(async () => {
  for (const session of opened.splice(0)) await session.release();
});

interface Sizes {
  readonly rows: number;
  readonly vocabSize: number;
  readonly topK: number;
}

/** The loss alone, as a graph of logits, truth and teacher, with its gradient. */
async function open({ rows, vocabSize, topK }: Sizes, weight: number, temperature: number): Promise<Session> {
  const graph = new Graph();
  const logits = graph.input('logits', 'float32', [rows, vocabSize]);
  const targets = graph.input('targets', 'int64', [rows]);
  const teacher = {
    ids: graph.input('ids', 'int64', [rows, topK]),
    weights: graph.input('weights', 'float32', [rows, topK]),
    targetWeights: graph.input('targetWeights', 'float32', [rows]),
  };
  const found = distillationLoss(logits, targets, teacher, { weight, temperature });
  for (const [name, value] of Object.entries(found)) graph.output(name, value);
  graph.output('gradient', gradients(found.objective, [logits])[0] as Value);
  const plain = crossEntropy(logits, targets);
  graph.output('plain', plain);
  graph.output('plainGradient', gradients(plain, [logits])[0] as Value);
  const session = await createSession(encodeOnnx(graph));
  opened.push(session);
  return session;
}

function softmaxOf(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** The teacher's inputs for rows whose full distributions are given. */
function teacherInputs(distributions: readonly (readonly number[])[], targets: readonly number[], topK: number) {
  const rows = distributions.length;
  const best = distributions.map((p) =>
    [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number)).slice(0, topK),
  );
  return {
    ids: tensor('int64', [rows, topK], BigInt64Array.from(best.flat(), BigInt)),
    weights: tensor(
      'float32',
      [rows, topK],
      Float32Array.from(best.flatMap((ids, row) => ids.map((id) => distributions[row]?.[id] as number))),
    ),
    targetWeights: tensor(
      'float32',
      [rows],
      Float32Array.from(best, (ids, row) => (ids.includes(targets[row] as number) ? 0 : 1)),
    ),
    targets: tensor('int64', [rows], BigInt64Array.from(targets, BigInt)),
  };
}

const numbers = ({ data }: Tensor): number[] => Array.from(data as Float32Array, Number);
const scalar = (results: Record<string, Tensor>, name: string): number => Number(results[name]?.data[0]);

const random = createRandom(11, 1);
const sizes: Sizes = { rows: 5, vocabSize: 7, topK: 3 };
const randomRow = (): number[] => Array.from({ length: sizes.vocabSize }, () => 1.5 * random.normal());
const student = Array.from({ length: sizes.rows }, randomRow);
const teacher = Array.from({ length: sizes.rows }, () => softmaxOf(randomRow()));
const targets = Array.from({ length: sizes.rows }, () => random.integer(sizes.vocabSize));
const logits = tensor('float32', [sizes.rows, sizes.vocabSize], Float32Array.from(student.flat()));

describe('distillationLoss', () => {
  it.each([
    [0.5, 1],
    [1, 1],
    [0.3, 2],
    [1, 0.5],
    [0.8, 4],
  ])('with weight %f and temperature %f has the gradient that differences show', async (weight, temperature) => {
    const session = await open(sizes, weight, temperature);
    const fixed = teacherInputs(teacher, targets, sizes.topK);
    const gradient = numbers((await session.run({ logits, ...fixed }))['gradient'] as Tensor);
    const at = async (index: number, step: number): Promise<number> => {
      const moved = (logits.data as Float32Array).slice();
      moved[index] = (moved[index] as number) + step;
      return scalar(await session.run({ logits: tensor('float32', logits.shape, moved), ...fixed }), 'objective');
    };
    const h = 0.02;
    for (const [index, slope] of gradient.entries()) {
      const measured =
        (8 * ((await at(index, h)) - (await at(index, -h))) - ((await at(index, 2 * h)) - (await at(index, -2 * h)))) /
        (12 * h);
      expect(Math.abs(measured - slope), `${index}`).toBeLessThan(1e-4);
    }
    expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(0.01);
  });

  it('is the formula, computed here in float64', async () => {
    const [weight, temperature] = [0.4, 2.5];
    const fixed = teacherInputs(teacher, targets, sizes.topK);
    const results = await (await open(sizes, weight, temperature)).run({ logits, ...fixed });
    const rows = student.map((row, index) => {
      const [p, q] = [teacher[index] as number[], softmaxOf(row)];
      const ids = numbers(fixed.ids).slice(index * sizes.topK, (index + 1) * sizes.topK);
      const pick = (from: readonly number[]) => ids.map((id) => from[id] as number);
      const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
      const soften = (values: readonly number[]) => softmaxOf(values.map((value) => Math.log(value) / temperature));
      const [pT, qT] = [soften(pick(p)), soften(pick(q))];
      const crossed = -sum(pT.map((value, rank) => value * Math.log(qT[rank] as number)));
      const [inP, inQ] = [sum(pick(p)), sum(pick(q))];
      const hard = -Math.log(q[targets[index] as number] as number);
      const tail = ids.includes(targets[index] as number) ? 0 : hard;
      const soft = inP * (temperature ** 2 * crossed - Math.log(inQ)) + tail;
      const inside = sum(ids.map((id) => (p[id] as number) * Math.log((p[id] as number) / (q[id] as number))));
      const divergence = inside + (1 - inP) * Math.log((1 - inP) / (1 - inQ));
      return { objective: (1 - weight) * hard + weight * soft, loss: hard, divergence };
    });
    for (const name of ['objective', 'loss', 'divergence'] as const) {
      const expected = rows.reduce((sum, row) => sum + row[name], 0) / rows.length;
      expect(scalar(results, name), name).toBeCloseTo(expected, 5);
    }
  });

  it('with weight 0 is the cross-entropy, its gradient but for rounding', async () => {
    for (const temperature of [1, 3]) {
      const session = await open(sizes, 0, temperature);
      const results = await session.run({ logits, ...teacherInputs(teacher, targets, sizes.topK) });
      expect(scalar(results, 'loss')).toBe(scalar(results, 'plain'));
      expect(scalar(results, 'objective')).toBe(scalar(results, 'plain'));
      const plain = numbers(results['plainGradient'] as Tensor);
      numbers(results['gradient'] as Tensor).forEach((value, index) => {
        expect(Math.abs(value - (plain[index] as number))).toBeLessThan(1e-7);
      });
    }
  });

  it.each([1, 2])(
    'of the teacher alone is smallest where the student equals it, at temperature %i',
    async (temperature) => {
      const all = { ...sizes, topK: sizes.vocabSize };
      const session = await open(all, 1, temperature);
      const fixed = teacherInputs(teacher, targets, all.topK);
      const equal = tensor('float32', logits.shape, Float32Array.from(teacher.flat(), Math.log));
      const there = await session.run({ logits: equal, ...fixed });
      expect(Math.max(...numbers(there['gradient'] as Tensor).map(Math.abs))).toBeLessThan(1e-6);
      expect(scalar(there, 'divergence')).toBeCloseTo(0, 5);
      const elsewhere = await session.run({ logits, ...fixed });
      expect(scalar(elsewhere, 'objective')).toBeGreaterThan(scalar(there, 'objective') + 0.1);
      expect(scalar(elsewhere, 'divergence')).toBeGreaterThan(0.1);
    },
  );

  it.each([1, 2])(
    'knows the tail from the text: over texts that follow the teacher it is unbiased, at %i',
    async (temperature) => {
      // Ten texts in which each token follows as often as the teacher says.
      const counts = [4, 2, 1, 1, 1, 1, 0];
      const p = counts.map((count) => Math.max(count / 10, 1e-9));
      const following = counts.flatMap((count, id) => Array<number>(count).fill(id));
      const ten = { rows: 10, vocabSize: 7, topK: 2 };
      const session = await open(ten, 1, temperature);
      const fixed = teacherInputs(Array(10).fill(p), following, ten.topK);
      const equal = tensor('float32', [10, 7], Float32Array.from(Array(10).fill(p.map(Math.log)).flat()));
      const gradient = numbers((await session.run({ logits: equal, ...fixed }))['gradient'] as Tensor);
      for (let id = 0; id < 7; id++) {
        const sum = gradient.filter((_, index) => index % 7 === id).reduce((a, b) => a + b, 0);
        expect(Math.abs(sum), `${id}`).toBeLessThan(1e-6);
      }
    },
  );
});
