import { describe, expect, it } from 'vitest';
import { interleave } from '../../../src/benchmark/interleave.ts';

describe('interleave', () => {
  it('gives each its turn in every round, the first one moving on, and leaves the warm-up out', async () => {
    const order: string[] = [];
    const turn = (name: string) => ({
      take: async () => {
        order.push(name);
        return [order.length];
      },
    });
    const progress: number[] = [];
    const samples = await interleave([turn('a'), turn('b'), turn('c')], {
      ...{ rounds: 2, warmupRounds: 1 },
      onRound: (done, total) => progress.push(done / total),
    });
    expect(order.join('')).toBe('abcbcacab');
    expect(samples).toEqual([
      [[6], [8]],
      [[4], [9]],
      [[5], [7]],
    ]);
    expect(progress.at(-1)).toBe(1);
  });

  it('stops between turns when aborted', async () => {
    const controller = new AbortController();
    const turn = {
      take: async () => {
        controller.abort();
        return [1];
      },
    };
    const given = { rounds: 3, warmupRounds: 0, signal: controller.signal };
    await expect(interleave([turn, turn], given)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
