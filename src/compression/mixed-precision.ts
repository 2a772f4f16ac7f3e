import { IteraError } from '../core/errors.ts';
import type { BitWidth, QuantizedMatrix } from '../core/quantized-matrix.ts';
import {
  type AllocatableTensor,
  type AllocationLimit,
  allocateBits,
  type BitAllocation,
  type BitAssignment,
  type BitOption,
} from './bit-allocation.ts';
import type { RoundingEffect, TensorSensitivity } from './sensitivity.ts';

/** A way to store a tensor that was measured, with the rounded matrix. */
export type MeasuredOption = BitOption & Pick<RoundingEffect, 'bits' | 'blockSize' | 'matrix'>;

export interface MixedPrecisionOptions {
  /** The least bits that a tensor may have, e.g. 8 for sensitive ones. */
  readonly leastBits?: (name: string) => BitWidth | undefined;
}

/**
 * The ways to store each tensor, from what was measured: the predicted loss is the mean divergence that one causes.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a tensor was not measured at the bits it needs at least.
 */
export function bitOptions(
  sensitivities: readonly TensorSensitivity[],
  { leastBits }: MixedPrecisionOptions = {},
): readonly AllocatableTensor<MeasuredOption>[] {
  return sensitivities.map((sensitivity) => {
    const least = leastBits?.(sensitivity.name) ?? 0;
    const options = sensitivity.effects.filter(({ bits }) => bits >= least).map(toOption);
    if (options.length === 0) throw notMeasured(sensitivity, least);
    return { name: sensitivity.name, options };
  });
}

/**
 * Chooses how to store each tensor of a model: the smallest size with a predicted loss within a budget, or the smallest
 * loss within a size. See {@link allocateBits}, whose errors it throws.
 *
 * @returns Only what the products take, without what stays in float.
 */
export function planMixedPrecision(
  sensitivities: readonly TensorSensitivity[],
  limit: AllocationLimit,
  options?: MixedPrecisionOptions,
): BitAllocation<MeasuredOption> {
  return allocateBits(bitOptions(sensitivities, options), limit);
}

/**
 * What all tensors come to with the same bits, or the fewest more where a tensor was not measured with so few; in the
 * largest blocks measured that are no larger than `blockSize`, or else in the smallest.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a tensor was not measured with so many bits.
 */
export function uniformAllocation(
  sensitivities: readonly TensorSensitivity[],
  bits: BitWidth,
  blockSize = 32,
): BitAllocation<MeasuredOption> {
  const chosen = sensitivities.map((sensitivity): [string, MeasuredOption] => {
    const width = Math.min(...sensitivity.effects.map((each) => each.bits).filter((each) => each >= bits));
    const effects = sensitivity.effects.filter((each) => each.bits === width);
    const effect = effects.find((each) => each.blockSize <= blockSize) ?? effects.at(-1);
    if (!effect) throw notMeasured(sensitivity, bits);
    return [sensitivity.name, toOption(effect)];
  });
  return {
    assignment: new Map(chosen),
    bytes: chosen.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    predictedLoss: chosen.reduce((sum, [, { predictedLoss }]) => sum + predictedLoss, 0),
  };
}

/** The matrices of an assignment by the tensors' names: what `quantizeProducts` chooses from. */
export function assignedMatrices(assignment: BitAssignment<MeasuredOption>): ReadonlyMap<string, QuantizedMatrix> {
  return new Map([...assignment].map(([name, { matrix }]) => [name, matrix]));
}

const toOption = ({ bits, blockSize, matrix, bytes, divergence }: RoundingEffect): MeasuredOption => ({
  ...{ bits, blockSize, matrix, bytes },
  predictedLoss: divergence,
});

function notMeasured({ name, effects }: TensorSensitivity, least: number): IteraError {
  const widths = [...new Set(effects.map(({ bits }) => bits))].join(', ');
  const message = `Expected ${name} to be measured at ${least} bits or more, got ${widths || 'nothing'}. Measure it at more bits.`;
  return new IteraError('INVALID_ARGUMENT', message, { name, least });
}
