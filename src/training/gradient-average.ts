/**
 * Replaces the first array's stretch by the mean of all.
 *
 * @returns The sum of its squares. Neither depends on how the weights are shared out.
 */
export function averageGradients(gradients: readonly Float32Array[], start: number, end: number): number {
  const [first = new Float32Array(0), ...others] = gradients;
  if (others.length > 0) {
    const share = 1 / gradients.length;
    for (const other of others.slice(0, -1)) {
      for (let index = start; index < end; index++) first[index] = (first[index] as number) + (other[index] as number);
    }
    const last = others.at(-1) as Float32Array;
    for (let index = start; index < end; index++) {
      first[index] = ((first[index] as number) + (last[index] as number)) * share;
    }
  }
  return sumSquares(first, start, end);
}

function sumSquares(values: Float32Array, start: number, end: number): number {
  // Four running sums let the processor overlap the additions.
  let [a, b, c, d] = [0, 0, 0, 0];
  const even = end - ((end - start) & 3);
  for (let index = start; index < even; index += 4) {
    const w = values[index] as number;
    const x = values[index + 1] as number;
    const y = values[index + 2] as number;
    const z = values[index + 3] as number;
    a += w * w;
    b += x * x;
    c += y * y;
    d += z * z;
  }
  for (let index = even; index < end; index++) a += (values[index] as number) ** 2;
  return a + b + c + d;
}
