/**
 * A table of rows W = Z * deviation + mean, column by column. Where columns differ much in size, or have a mean far from
 * 0, few levels hold Z far better than W, whose blocks take their scale from the largest column.
 */
export interface ColumnScaling {
  /** Mean of each column, `[columns]`. */
  readonly means: Float32Array;
  /** Standard deviation of each column, `[columns]`; 1 for a column of equal numbers. */
  readonly deviations: Float32Array;
}

/**
 * Mean and deviation of the columns of a matrix.
 *
 * @param values - `[rows, columns]`.
 */
export function measureColumns(values: Float32Array, columns: number): ColumnScaling {
  const rows = values.length / columns;
  const sums = new Float64Array(columns);
  const squares = new Float64Array(columns);
  for (let start = 0; start < values.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      sums[column] = (sums[column] as number) + (values[start + column] as number);
    }
  }
  const means = Float32Array.from(sums, (sum) => sum / rows);
  for (let start = 0; start < values.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      const distance = (values[start + column] as number) - (means[column] as number);
      squares[column] = (squares[column] as number) + distance * distance;
    }
  }
  // A deviation that float32 cannot tell from 0 would scale to infinity.
  const deviations = Float32Array.from(squares, (sum) => Math.fround(Math.sqrt(sum / rows)) || 1);
  return { means, deviations };
}

/** Z = (W - mean) / deviation, rounded to float32, of a matrix `[rows, columns]`; `scaled` may be `values` itself. */
export function scaleColumns(
  values: Float32Array,
  { means, deviations }: ColumnScaling,
  scaled: Float32Array = new Float32Array(values.length),
): Float32Array {
  const columns = means.length;
  for (let start = 0; start < values.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      scaled[start + column] =
        ((values[start + column] as number) - (means[column] as number)) / (deviations[column] as number);
    }
  }
  return scaled;
}

/** W = Z * deviation + mean, each step rounded to float32 as a graph would, of a matrix `[rows, columns]`, in place. */
export function unscaleColumns(scaled: Float32Array, { means, deviations }: ColumnScaling): Float32Array {
  const columns = means.length;
  for (let start = 0; start < scaled.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      scaled[start + column] =
        Math.fround((scaled[start + column] as number) * (deviations[column] as number)) + (means[column] as number);
    }
  }
  return scaled;
}
