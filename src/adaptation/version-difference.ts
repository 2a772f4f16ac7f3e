import type { Tensor } from '../core/tensor.ts';

/** How far weights are from others. */
export interface WeightDifference {
  /** Euclidean norm of the difference over that of the first. */
  readonly relative: number;
  /** Largest difference of a weight. */
  readonly largest: number;
  /** The same by tensor, the most changed first; tensors without a partner are left out. */
  readonly tensors: readonly { readonly name: string; readonly relative: number }[];
}

/** Compares the weights of two models of one configuration. */
export function compareWeights(
  before: ReadonlyMap<string, Tensor>,
  after: ReadonlyMap<string, Tensor>,
): WeightDifference {
  let [largest, squares, differences] = [0, 0, 0];
  const tensors = [...before].flatMap(([name, { data }]) => {
    const other = after.get(name)?.data;
    if (other?.length !== data.length) return [];
    let [own, changed] = [0, 0];
    for (let index = 0; index < data.length; index++) {
      const [a, b] = [Number(data[index]), Number(other[index])];
      own += a * a;
      changed += (a - b) ** 2;
      largest = Math.max(largest, Math.abs(a - b));
    }
    squares += own;
    differences += changed;
    return [{ name, relative: ratio(changed, own) }];
  });
  tensors.sort((a, b) => b.relative - a.relative);
  return { relative: ratio(differences, squares), largest, tensors };
}

const ratio = (changed: number, own: number): number => (changed === 0 ? 0 : Math.sqrt(changed / own));
