import { IteraError } from '../core/errors.ts';
import { quantile } from '../core/statistics.ts';

/** How strongly one tensor reacts to rounding, by any measure that all tensors share. */
export interface TensorError {
  readonly name: string;
  /** At least 0. */
  readonly error: number;
}

/** The tensors that react far more strongly to rounding than the others. */
export interface OutlierReport {
  readonly percentile: number;
  readonly margin: number;
  /** The error at the percentile. */
  readonly quantile: number;
  /** The quantile times the margin. */
  readonly threshold: number;
  /** Tensors above the threshold, the strongest first. */
  readonly sensitive: readonly (TensorError & {
    /** The error in thresholds, above 1. */
    readonly excess: number;
    /** Why it is here, for people. */
    readonly reason: string;
  })[];
}

export interface OutlierOptions {
  /** From 0 to 100. Default 95. */
  readonly percentile?: number;
  /** What the percentile is multiplied by, at least 1. Default 1.1. */
  readonly margin?: number;
}

/**
 * Finds the tensors whose error exceeds a percentile of all tensors' errors by a margin.
 *
 * @remarks A tensor is only ever compared with the others of its model: this says where to look, not how much a rounded
 *   tensor costs. Of fewer than 20 tensors the 95th percentile lies between the two largest errors, so that at most one
 *   can exceed it.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without tensors, for an error that is negative or NaN, and for options
 *   out of range.
 */
export function findSensitiveTensors(
  errors: readonly TensorError[],
  { percentile = 95, margin = 1.1 }: OutlierOptions = {},
): OutlierReport {
  if (!(percentile >= 0 && percentile <= 100) || !(margin >= 1 && margin < Number.POSITIVE_INFINITY)) {
    const message = `Expected a percentile from 0 to 100 and a margin of at least 1, got ${percentile} and ${margin}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { percentile, margin });
  }
  const wrong = errors.find(({ error }) => !(error >= 0));
  if (errors.length === 0 || wrong) {
    const got = wrong ? `${wrong.error} for ${wrong.name}` : 'none';
    throw new IteraError('INVALID_ARGUMENT', `Expected errors of at least 0, got ${got}.`, { ...wrong });
  }
  const limit = quantile(
    Float64Array.from(errors, ({ error }) => error),
    percentile / 100,
  );
  const threshold = limit * margin;
  const sensitive = errors
    .filter(({ error }) => error > threshold)
    .sort((a, b) => b.error - a.error)
    .map(({ name, error }) => {
      const shown = (value: number) => String(Number(value.toPrecision(3)));
      const excess = error / threshold;
      const reason = `Its error, ${shown(error)}, is ${shown(excess)} times the threshold of ${shown(threshold)} (percentile ${percentile}, ${shown(limit)}, times ${margin}).`;
      return { name, error, excess, reason };
    });
  return { percentile, margin, quantile: limit, threshold, sensitive };
}
