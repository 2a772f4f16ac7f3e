import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded stream of random numbers whose state can be saved and restored. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform whole number in [0, limit). */
  integer(limit: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** The generator's state, to hand to {@link restoreRandom}. */
  state(): readonly number[];
}

type Generator = ReturnType<typeof xoroshiro128plus>;

function wrap(generator: Generator): Random {
  const uniform = () => uniformFloat64(generator);
  return {
    uniform,
    integer: (limit) => uniformInt(generator, 0, limit - 1),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    state: () => generator.getState(),
  };
}

/** A stream that depends only on the given whole numbers, e.g. a seed, a purpose and an epoch. */
export function createRandom(...seeds: readonly number[]): Random {
  return wrap(xoroshiro128plus(mixSeeds(seeds)));
}

/** Continues a stream exactly where {@link Random.state} was taken. */
export function restoreRandom(state: readonly number[]): Random {
  return wrap(xoroshiro128plusFromState(state));
}

/** FNV-1a over the bytes of the seeds, so that (1, 2) and (2, 1) give unrelated streams. */
function mixSeeds(seeds: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const seed of seeds) {
    for (let shift = 0; shift < 32; shift += 8) {
      hash = Math.imul(hash ^ ((seed >>> shift) & 0xff), 0x01000193);
    }
  }
  return hash | 0;
}

/** A uniformly random order of 0..length-1 (Fisher-Yates). */
export function permutation(length: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last--) {
    const other = random.integer(last + 1);
    const kept = order[last] as number;
    order[last] = order[other] as number;
    order[other] = kept;
  }
  return order;
}
