import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AllocatableTensor, BitAssignment, BitOption } from '../../../src/compression/bit-allocation.ts';
import { raiseBits } from '../../../src/compression/bit-raising.ts';
import type { BitWidth } from '../../../src/core/quantized-matrix.ts';

const tensorOf = (name: string, losses: readonly [number, number, number], size = 10): AllocatableTensor => ({
  name,
  options: ([2, 4, 8] as const).map((bits, index) => ({
    bits,
    bytes: size * bits,
    predictedLoss: losses[index] as number,
  })),
});

const lossOf = (assignment: BitAssignment): number =>
  [...assignment.values()].reduce((sum, { predictedLoss }) => sum + predictedLoss, 0);

const widthsOf = (assignment: BitAssignment) =>
  Object.fromEntries([...assignment].map(([name, { bits }]) => [name, bits]));

/** A gate that goes by the predicted loss itself, and what it was asked. */
function scriptedGate(bound: number) {
  const asked: BitAssignment[] = [];
  return {
    asked,
    measure: async (assignment: BitAssignment) => {
      asked.push(assignment);
      const ratio = Math.exp(lossOf(assignment));
      return { passed: ratio * 1.01 < 1 + bound, ratio, upper: ratio * 1.01 };
    },
  };
}

const allAt = (tensors: readonly AllocatableTensor[], bits: BitWidth): BitAssignment =>
  new Map(tensors.map(({ name, options }) => [name, options.find((each) => each.bits === bits) as BitOption]));

describe('raiseBits', () => {
  const tensors = [
    tensorOf('dear', [0.9, 0.5, 0.01]),
    tensorOf('cheap', [0.1, 0.02, 0.01]),
    tensorOf('large and dear', [0.9, 0.5, 0.01], 1000),
  ];

  it('raises first what takes away most loss per byte', async () => {
    // Only the small sensitive tensor has to be raised: 0.01 + 0.1 + 0.9 is below ln(1 + 1.9 / 1.01).
    const gate = scriptedGate(1.9);
    const { status, final } = await raiseBits(allAt(tensors, 2), tensors, gate.measure);
    expect(status).toBe('passed');
    expect(widthsOf(final.assignment)).toEqual({ dear: 8, cheap: 2, 'large and dear': 2 });
    expect(final).toMatchObject({ raised: 1, bytes: 80 + 20 + 2000, measurement: { passed: true } });
  });

  it('says that it cannot pass, with the evidence, after measuring the most bits for all', async () => {
    const gate = scriptedGate(0.02);
    const result = await raiseBits(allAt(tensors, 4), tensors, gate.measure);
    expect(result.status).toBe('cannot pass');
    expect(result.final.assignment).toEqual(allAt(tensors, 8));
    expect(result.rounds).toHaveLength(1);
    const [ratio, upper] = [Math.exp(0.03), 1.01 * Math.exp(0.03)];
    expect(result.sentence).toContain('cannot pass');
    expect(result.sentence).toContain(ratio.toFixed(6));
    expect(result.sentence).toContain(upper.toFixed(6));
  });

  it('measures once what has the most bits already', async () => {
    const gate = scriptedGate(0.02);
    const result = await raiseBits(allAt(tensors, 8), tensors, gate.measure);
    expect(result).toMatchObject({ status: 'cannot pass', final: { raised: 0 } });
    expect(gate.asked).toHaveLength(1);
  });

  it('finds the fewest raises in their order, within the rounds of halving, and lowers no bits', async () => {
    const lists = fc.array(
      fc
        .tuple(
          fc.integer({ min: 1, max: 50 }),
          fc.tuple(...Array.from({ length: 3 }, () => fc.double({ min: 0, max: 1, noNaN: true }))),
        )
        .map(([size, losses]) => ({ size, losses: losses.sort((a, b) => b - a) as [number, number, number] })),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(
        lists,
        fc.constantFrom(2, 4),
        fc.double({ min: 0, max: 6, noNaN: true }),
        async (list, from, bound) => {
          const own = list.map(({ size, losses }, index) => tensorOf(`tensor ${index}`, losses, size));
          const start = allAt(own, from as BitWidth);
          const gate = scriptedGate(bound);
          const { status, final, rounds } = await raiseBits(start, own, gate.measure, { rounds: 20 });
          expect(gate.asked).toHaveLength(rounds.length);
          expect(rounds.length).toBeLessThanOrEqual(1 + Math.ceil(Math.log2(2 * own.length)));
          for (const { assignment } of rounds) {
            for (const [name, { bytes }] of assignment)
              expect(bytes).toBeGreaterThanOrEqual(start.get(name)?.bytes as number);
          }
          const most = await gate.measure(allAt(own, 8));
          expect(status).toBe(most.passed ? 'passed' : 'cannot pass');
          expect(final.measurement.passed).toBe(most.passed);
          if (!most.passed) return;
          const passed = rounds.filter(({ measurement }) => measurement.passed);
          expect(final.bytes).toBe(Math.min(...passed.map(({ bytes }) => bytes)));
        },
      ),
      { seed: 31, numRuns: 100 },
    );
  });

  it('keeps the best that passed when the rounds are used up', async () => {
    const many = Array.from({ length: 32 }, (_, index) => tensorOf(`tensor ${index}`, [0.3, 0.1, 0], 1 + index));
    const start = allAt(many, 2);
    const long = await raiseBits(start, many, scriptedGate(9).measure, { rounds: 20 });
    const short = await raiseBits(start, many, scriptedGate(9).measure, { rounds: 3 });
    const single = await raiseBits(start, many, scriptedGate(9).measure, { rounds: 1 });
    expect([long, short, single].map(({ status }) => status)).toEqual(['passed', 'passed', 'passed']);
    expect(short.rounds).toHaveLength(3);
    expect(single.final.assignment).toEqual(allAt(many, 8));
    expect(long.final.bytes).toBeLessThan(short.final.bytes);
    expect(short.final.bytes).toBeLessThan(single.final.bytes);
    // One raise less fails: the last round or an earlier one measured it.
    expect(long.rounds.some(({ measurement }) => !measurement.passed)).toBe(true);
  });

  it('passes on what measuring throws', async () => {
    const failing = async () => Promise.reject(new Error('no such file'));
    await expect(raiseBits(allAt(tensors, 4), tensors, failing)).rejects.toThrow('no such file');
  });

  it('refuses an assignment that does not fit the tensors, and no rounds', async () => {
    const { measure } = scriptedGate(1);
    const refused = (start: BitAssignment, rounds?: number) =>
      expect(raiseBits(start, tensors, measure, rounds === undefined ? {} : { rounds })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    await refused(new Map([...allAt(tensors, 4)].slice(1)));
    await refused(new Map([...allAt(tensors, 4), ['other', { bits: 4 as const, bytes: 1, predictedLoss: 0 }]]));
    await refused(
      new Map([...allAt(tensors, 4), ['dear', { bits: 4 as const, blockSize: 16, bytes: 40, predictedLoss: 0.5 }]]),
    );
    await refused(allAt(tensors, 4), 0);
    await refused(allAt(tensors, 4), 1.5);
  });
});
