import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPriorityQueue } from '../../../src/text/priority-queue.ts';

it('gives items in order, pushes and pops mixed', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined })), (steps) => {
      const queue = createPriorityQueue<number>((first, second) => first < second);
      const model: number[] = [];
      for (const step of steps) {
        if (step !== undefined) {
          queue.push(step);
          model.push(step);
          model.sort((first, second) => first - second);
        } else {
          expect(queue.pop()).toBe(model.shift());
        }
      }
      while (model.length > 0) expect(queue.pop()).toBe(model.shift());
      expect(queue.pop()).toBeUndefined();
    }),
    { seed: 3 },
  );
});
