import { collectInputStatistics, type InputStatistics } from '../../../src/compression/input-statistics.ts';
import { createRandom } from '../../../src/core/random.ts';

/** Normal weights `[rows, columns]`, reproducible. */
export function normalWeights(rows: number, columns: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: rows * columns }, () => random.normal());
}

/** Inputs `[count, columns]` of very different strengths that are mixtures of few shared sources plus some noise. */
export function correlatedInputs(count: number, columns: number, seed: number, mixtureSeed = 1): Float32Array {
  const mixing = createRandom(mixtureSeed);
  const sources = Math.ceil(columns / 4);
  const strengths = Float64Array.from({ length: columns }, () => Math.exp(mixing.normal()));
  const mixture = Float64Array.from({ length: columns * sources }, () => mixing.normal() / Math.sqrt(sources));
  const random = createRandom(seed);
  const inputs = new Float32Array(count * columns);
  for (let row = 0; row < count; row++) {
    const source = Float64Array.from({ length: sources }, () => random.normal());
    for (let column = 0; column < columns; column++) {
      const shared = source.reduce((sum, value, at) => sum + value * (mixture[column * sources + at] as number), 0);
      inputs[row * columns + column] = (strengths[column] as number) * (shared + 0.3 * random.normal());
    }
  }
  return inputs;
}

export function correlatedStatistics(count: number, columns: number, seed: number): InputStatistics {
  const collector = collectInputStatistics(columns);
  collector.add(correlatedInputs(count, columns, seed));
  return collector.statistics();
}
