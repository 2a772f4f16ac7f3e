import { createRandom } from '../../src/core/random.ts';
import { elementCount, type Tensor, tensor } from '../../src/core/tensor.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { parameterShapes } from '../../src/models/parameters.ts';

/** Weights in ranges that exercise every part: step sizes from slow to fast, norms away from 1. */
export function randomWeights(config: ModelConfig, seed: number): Map<string, Tensor<'float32'>> {
  const random = createRandom(seed, 99);
  return new Map(
    [...parameterShapes(config)].map(([name, shape]) => [
      name,
      tensor(
        'float32',
        shape,
        Float32Array.from({ length: elementCount(shape) }, () => draw(name, shape, random.normal())),
      ),
    ]),
  );
}

function draw(name: string, shape: readonly number[], normal: number): number {
  if (/norm\.weight$|layernorm\.weight$|mamba\.D$/.test(name)) return 1 + 0.2 * normal;
  if (/A_log$/.test(name)) return 0.5 + 0.5 * normal;
  if (/dt_bias$/.test(name)) return -1 + normal;
  if (/conv1d/.test(name)) return 0.4 * normal;
  return normal / Math.sqrt(shape.at(-1) as number);
}

export function randomTensor(shape: readonly number[], seed: number): Tensor<'float32'> {
  const random = createRandom(seed, 5);
  return tensor(
    'float32',
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
}

export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`Expected ${b.length} elements, got ${a.length}.`);
  let worst = 0;
  for (let index = 0; index < a.length; index++) {
    const gap = Math.abs((a[index] as number) - (b[index] as number));
    if (!(gap <= worst)) worst = gap;
  }
  return worst;
}
