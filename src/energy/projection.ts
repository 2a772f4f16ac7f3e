import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import type { ModelConfig } from '../models/config.ts';
import { countParameters, mambaSizes } from '../models/parameters.ts';
import type { VariantName } from '../models/variants.ts';

export const platforms = ['desktop', 'laptop', 'embedded'] as const;
export type Platform = (typeof platforms)[number];

/** Picojoules, from what new processes need to what old ones do. */
type Range = readonly [low: number, high: number];

/**
 * A multiplication and the addition after it, in picojoules: 7 nm and 45 nm. INT8 products are added in 32 bits.
 *
 * @see Jouppi et al. 2021, "Ten Lessons From Three Generations Shaped Google's TPUv4i", table 2 (7 nm), which updates
 *   Horowitz 2014, "Computing's Energy Problem (and what we can do about it)", ISSCC, figure 1.1.9 (45 nm).
 */
const multiplyAddPj = {
  float32: [1.31 + 0.38, 3.7 + 0.9],
  float16: [0.34 + 0.16, 1.1 + 0.4],
  int8: [0.07 + 0.03, 0.2 + 0.1],
} as const satisfies Readonly<Record<string, Range>>;

/**
 * Fetching, decoding and controlling an instruction of a simple core: 70 pJ at 45 nm (Horowitz 2014). For 7 nm there is no
 * published figure; its low end assumes that it shrank as a 32-bit multiplication with addition did, to 37%.
 */
const instructionPj: Range = [70 * 0.37, 70];

/** Instructions for each vector of products: a load and the product; unpacking and converting weights at most two more. */
const instructionsPerVector: Range = [2, 4];

/** 8 bytes from a cache of 1 MB: Jouppi et al. 2021, table 2 (7 nm); Horowitz 2014 (45 nm). */
const cachePj: Range = [14, 100];

interface PlatformFigures {
  /** 32-bit numbers in a vector register, from the widest in use to the narrowest. */
  readonly lanes: Range;
  /** Last-level caches of such machines, in bytes, from small to large. */
  readonly cacheBytes: Range;
  /** 8 bytes from main memory. */
  readonly memoryPj: Range;
  readonly words: string;
}

/** Main memory: GDDR6 and DDR4 in Jouppi et al. 2021, table 2, and the upper end of DRAM in Horowitz 2014. */
const figures: Readonly<Record<Platform, PlatformFigures>> = {
  desktop: {
    lanes: [16, 4],
    cacheBytes: [6e6, 32e6],
    memoryPj: [1300, 2600],
    words: 'caches of 6 to 32 MB, DDR memory at 1,300 to 2,600 pJ for 8 bytes',
  },
  laptop: {
    lanes: [8, 4],
    cacheBytes: [4e6, 24e6],
    memoryPj: [350, 1300],
    words:
      'caches of 4 to 24 MB, memory at 350 (GDDR6, in place of LPDDR, for which no figure is at hand) to 1,300 pJ for 8 bytes',
  },
  embedded: {
    lanes: [4, 2],
    cacheBytes: [0.5e6, 2e6],
    memoryPj: [350, 2600],
    words: 'caches of 0.5 to 2 MB (Raspberry Pi 3 to 5), memory at 350 to 2,600 pJ for 8 bytes',
  },
};

/** Formats in which a variant's products may be computed, from the cheapest to the dearest; runtimes on CPUs differ. */
const arithmetic: Readonly<Record<VariantName, readonly [keyof typeof multiplyAddPj, keyof typeof multiplyAddPj]>> = {
  fp32: ['float32', 'float32'],
  fp16: ['float16', 'float32'],
  int8: ['int8', 'float32'],
  int4: ['int8', 'float32'],
  q4f16: ['int8', 'float32'],
  mixed: ['int8', 'float32'],
};

/** What one token costs when text is generated one token at a time. */
export interface TokenWork {
  /** Multiplications with addition: one for each parameter that the token uses, and those of the states. */
  readonly multiplyAdds: number;
  /** Weights that are read, in the variant's format. */
  readonly weightBytes: number;
  /** States that are read and written, in float32. */
  readonly stateBytes: number;
}

/** Tokens before the one that is counted, for attention layers. */
const contextTokens = 128;

/**
 * Counts the work of generating one token, batch 1.
 *
 * @param fileBytes - Size of the variant's file; of its experts only those that a token visits are read.
 */
export function countTokenWork(config: ModelConfig, fileBytes: number): TokenWork {
  const { total, activePerToken } = countParameters(config);
  const lookup = config.tieWordEmbeddings ? 0 : config.vocabSize * config.hiddenSize;
  let multiplyAdds = activePerToken - lookup;
  let stateBytes = 0;
  for (const type of config.layersBlockType) {
    if (type === 'mamba') {
      const state = config.mambaNHeads * config.mambaDHead * config.mambaDState;
      // The state fades, takes in the token and is read.
      multiplyAdds += 3 * state;
      stateBytes += 2 * 4 * (state + mambaSizes(config).conv * (config.mambaDConv - 1));
    } else {
      multiplyAdds += 2 * config.hiddenSize * contextTokens;
      stateBytes += 2 * 4 * (config.hiddenSize / config.numAttentionHeads) * config.numKeyValueHeads * contextTokens;
    }
  }
  return { multiplyAdds, weightBytes: (fileBytes * activePerToken) / total, stateBytes };
}

/** What is projected of one variant of a model. */
export interface ProjectionSubject {
  /** Name of the model, in records. */
  readonly name: string;
  readonly variant: VariantName;
  readonly config: ModelConfig;
  readonly fileBytes: number;
}

/**
 * Projects the energy of a generated token on kinds of hardware that are not here, from operation and byte counts times
 * published energies of each: products, instructions, and weights and states from cache or memory. What a machine draws
 * besides (leakage, regulators, waiting, other chips) is left out, so that a meter would show more.
 *
 * @returns A record for each of {@link platforms}: joules per token, the geometric middle with its bounds; `estimated`, and
 *   its method begins with `projection`.
 */
export function projectEnergy({ name, variant, config, fileBytes }: ProjectionSubject): readonly MeasurementRecord[] {
  const work = countTokenWork(config, fileBytes);
  return platforms.map((platform): MeasurementRecord => {
    const interval = projectJoules(work, variant, platform);
    const conditions = { model: name, variant, platform };
    const metric = 'projected_energy_j_per_token';
    return {
      ...{ id: recordId(name, metric, conditions), subject: name, metric, unit: 'J/token', conditions },
      ...{ status: 'estimated', value: Math.sqrt(interval[0] * interval[1]), interval, n: 1 },
      method:
        `projection, not a measurement: ${Math.round(work.multiplyAdds)} multiply-adds, ${Math.round(work.weightBytes)} bytes ` +
        `of weights and ${work.stateBytes} of states a token, batch 1, times published energies from 7 nm to 45 nm ` +
        `(Jouppi et al. 2021, table 2; Horowitz 2014); ${figures[platform].words}`,
    };
  });
}

/** Joules per token, least and greatest. */
export function projectJoules(work: TokenWork, variant: VariantName, platform: Platform): readonly [number, number] {
  const { lanes, cacheBytes, memoryPj } = figures[platform];
  const { multiplyAdds, weightBytes, stateBytes } = work;
  const bytes = weightBytes + stateBytes;
  const [cheap, dear] = arithmetic[variant];
  const ends = [0, 1] as const;
  const [low, high] = ends.map((end) => {
    const product = multiplyAddPj[end === 0 ? cheap : dear][end];
    const instructions = (instructionPj[end] * instructionsPerVector[end]) / lanes[end];
    // The least energy is that of the machine with the largest cache.
    const isCached = bytes <= cacheBytes[(1 - end) as 0 | 1];
    const access = isCached ? cachePj[end] : memoryPj[end];
    return 1e-12 * (multiplyAdds * (product + instructions) + (bytes / 8) * access);
  }) as [number, number];
  return [low, high];
}
