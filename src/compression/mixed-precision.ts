import { IteraError } from '../core/errors.ts';
import type { BitWidth, QuantizedMatrix } from '../core/quantized-matrix.ts';
import {
  type AllocatableTensor,
  type AllocationLimit,
  allocateBits,
  type BitAllocation,
  type BitAssignment,
} from './bit-allocation.ts';
import type { RoundingEffect, TensorSensitivity } from './sensitivity.ts';

export interface MixedPrecisionOptions {
  /** The least bits that a tensor may have, e.g. 8 for sensitive ones. */
  readonly leastBits?: (name: string) => BitWidth | undefined;
}

/**
 * What bits can be chosen for, from what was measured: a width's predicted loss is the mean divergence that it causes.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a tensor was not measured at the bits it needs at least.
 */
export function bitOptions(
  sensitivities: readonly TensorSensitivity[],
  { leastBits }: MixedPrecisionOptions = {},
): readonly AllocatableTensor[] {
  return sensitivities.map(({ name, effects }) => {
    const least = leastBits?.(name) ?? 0;
    const options = effects
      .filter(({ bits }) => bits >= least)
      .map(({ bits, bytes, divergence }) => ({ bits, bytes, predictedLoss: divergence }));
    if (options.length === 0) {
      const message = `Expected ${name} to be measured at ${least} bits or more, got ${effects.map(({ bits }) => bits).join(', ')}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { name, least });
    }
    return { name, options };
  });
}

/**
 * Chooses bits for each tensor of a model: the smallest size with a predicted loss within a budget, or the smallest loss
 * within a size. See {@link allocateBits}, whose errors it throws.
 *
 * @returns Only what the products take, without what stays in float.
 */
export function planMixedPrecision(
  sensitivities: readonly TensorSensitivity[],
  limit: AllocationLimit,
  options?: MixedPrecisionOptions,
): BitAllocation {
  return allocateBits(bitOptions(sensitivities, options), limit);
}

/** What all tensors come to with the same bits, or the fewest more where a tensor cannot have so few. */
export function uniformAllocation(sensitivities: readonly TensorSensitivity[], bits: BitWidth): BitAllocation {
  const chosen = sensitivities.map(({ name, effects }): [string, RoundingEffect] => {
    const effect = effects.find((each) => each.bits >= bits);
    if (!effect) {
      const message = `Expected ${name} to be measured at ${bits} bits or more, got ${effects.map((each) => each.bits).join(', ')}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { name, bits });
    }
    return [name, effect];
  });
  return {
    bits: new Map(chosen.map(([name, effect]) => [name, effect.bits])),
    bytes: chosen.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    predictedLoss: chosen.reduce((sum, [, { divergence }]) => sum + divergence, 0),
  };
}

/**
 * The matrices of an assignment, as rounded when the sensitivities were measured: what `quantizeProducts` chooses from.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a tensor or bits that were not measured.
 */
export function assignedMatrices(
  sensitivities: readonly TensorSensitivity[],
  assignment: BitAssignment,
): ReadonlyMap<string, QuantizedMatrix> {
  const measured = new Map(sensitivities.map((sensitivity) => [sensitivity.name, sensitivity]));
  return new Map(
    [...assignment].map(([name, bits]) => {
      const effect = measured.get(name)?.effects.find((each) => each.bits === bits);
      if (!effect) {
        const message = `Expected bits that ${name} was measured at, got ${bits}.`;
        throw new IteraError('INVALID_ARGUMENT', message, { name, bits });
      }
      return [name, effect.matrix];
    }),
  );
}
