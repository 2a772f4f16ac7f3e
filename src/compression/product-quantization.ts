import type { QuantizedMatrix } from '../core/quantized-matrix.ts';
import type { StoredProduct } from '../graph/passes/stored-products.ts';
import type { RowStatistics } from './calibration-statistics.ts';
import { quantizeMatrix, type RoundingMethod } from './matrix-quantization.ts';
import type { RoundingFormat } from './rounding-format.ts';

/** How a product is rounded. */
export interface ProductRounding extends RoundingFormat {
  readonly method: RoundingMethod;
}

/**
 * Rounds the matrix of a product, rows that multiply different inputs each by their own statistics. Rows of which nothing
 * is known, such as those of an expert that no token of the calibration text visited, are rounded by `search` without
 * statistics in place of `error-feedback`.
 *
 * @param statistics - Parts that cover all rows; absent, nothing is known of any.
 * @throws {@link IteraError} what {@link quantizeMatrix} throws.
 */
export function quantizeProduct(
  { rows, columns, weights }: Pick<StoredProduct, 'rows' | 'columns' | 'weights'>,
  rounding: ProductRounding,
  statistics?: readonly RowStatistics[],
): QuantizedMatrix {
  const parts = (statistics ?? [{ from: 0, to: rows }]).map((part) => {
    const known = 'statistics' in part && part.statistics.count > 0 ? { statistics: part.statistics } : {};
    const method = rounding.method === 'error-feedback' && !known.statistics ? 'search' : rounding.method;
    const values = weights.subarray(part.from * columns, part.to * columns);
    return quantizeMatrix(values, part.to - part.from, columns, { ...rounding, method, ...known });
  });
  return joinRows(parts);
}

/** Matrices of one format one below the other; rows of levels, scales and zero points are whole bytes. */
function joinRows(parts: readonly QuantizedMatrix[]): QuantizedMatrix {
  const [first] = parts as [QuantizedMatrix];
  if (parts.length === 1) return first;
  const zeroPoints = parts.flatMap((part) => part.zeroPoints ?? []);
  const scales = new Float32Array(parts.reduce((sum, part) => sum + part.scales.length, 0));
  let at = 0;
  for (const part of parts) {
    scales.set(part.scales, at);
    at += part.scales.length;
  }
  return {
    ...first,
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    levels: joinBytes(parts.map(({ levels }) => levels)),
    scales,
    ...(zeroPoints.length > 0 && { zeroPoints: joinBytes(zeroPoints) }),
  };
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
