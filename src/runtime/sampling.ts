import { IteraError } from '../core/errors.ts';
import { exponentialOfMinus } from '../core/exponential.ts';
import { createRandom } from '../core/random.ts';
import { checkCount, checkNumber } from './option-check.ts';

/**
 * How the next token is drawn. The steps apply in this order, which is that of Hugging Face transformers: repetition
 * penalty, presence and frequency penalty, temperature, top-k, top-p, min-p. A step whose option is absent is left out.
 */
export interface SamplingOptions {
  /** Divides the logits; at least 0. 0 always takes the most likely token. Default 1. */
  readonly temperature?: number | undefined;
  /** Keeps the k most likely tokens, and those as likely as the k-th. At least 1. */
  readonly topK?: number | undefined;
  /** Keeps the fewest most likely tokens whose probabilities add up to this much. Above 0, at most 1. */
  readonly topP?: number | undefined;
  /** Keeps tokens at least this many times as likely as the most likely one. From 0 to 1. */
  readonly minP?: number | undefined;
  /**
   * Divides positive and multiplies negative logits of the tokens in the history; above 0, where 1 changes nothing and
   * more discourages repetition (Keskar et al. 2019, arXiv:1909.05858).
   */
  readonly repetitionPenalty?: number | undefined;
  /** Subtracted from the logits of tokens that this sampler has drawn before, as OpenAI defines it. Finite. Default 0. */
  readonly presencePenalty?: number | undefined;
  /** Likewise, once for each time that the token was drawn. */
  readonly frequencyPenalty?: number | undefined;
  /** Names so many of the most likely tokens with each one that is drawn. Default: none. */
  readonly alternatives?: number | undefined;
  /** A whole number in [0, 2^32). The same seed draws the same tokens; without one a random seed is taken. */
  readonly seed?: number | undefined;
}

/** A token and ln of its probability under the model itself: before penalties, temperature and filters. */
export interface TokenLogProb {
  readonly id: number;
  /** In nats, at most 0. */
  readonly logProb: number;
}

/** A token that was drawn. */
export interface SampledToken extends TokenLogProb {
  /** The most likely tokens in its place, if they were asked for. */
  readonly alternatives?: readonly TokenLogProb[];
}

/** Draws one token. */
export interface Sampler {
  /**
   * @param logits - `float32[V]`; -Infinity forbids a token.
   * @param history - Ids of earlier tokens, for the repetition penalty.
   * @throws {@link IteraError} `RUNTIME_FAILED` if the logits hold NaN or +Infinity, or forbid everything.
   */
  (logits: Float32Array, history?: ArrayLike<number>): SampledToken;
  /** The seed in use, given or drawn. */
  readonly seed: number;
}

/**
 * Makes a sampler with its own stream of random numbers.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if an option is out of range.
 */
export function createSampler(options: SamplingOptions = {}): Sampler {
  checkSamplingOptions(options);
  const seed = options.seed ?? (crypto.getRandomValues(new Uint32Array(1))[0] as number);
  const random = createRandom(seed);
  const drawn = new Map<number, number>();
  const isPlain = drawsFromModel(options);
  let weights = new Float64Array();

  /** What the other way gives, to the bit, but with one exponential of each logit in place of two, and no new arrays. */
  function drawPlain(logits: Float32Array): { readonly id: number; readonly logTotal: number } {
    if (weights.length !== logits.length) weights = new Float64Array(logits.length);
    const { highest, total } = exponentiate(logits, weights);
    return { id: draw(weights, total, random.uniform()), logTotal: highest + Math.log(total) };
  }

  function drawFiltered(logits: Float32Array, history: ArrayLike<number>): ReturnType<typeof drawPlain> {
    const logTotal = logSumExp(logits);
    const id =
      options.temperature === 0
        ? argMax(penalise(logits, history, options, drawn))
        : draw(samplingDistribution(logits, history, options, drawn), 1, random.uniform());
    return { id, logTotal };
  }

  const sample = (logits: Float32Array, history: ArrayLike<number> = []): SampledToken => {
    const { id, logTotal } = isPlain ? drawPlain(logits) : drawFiltered(logits, history);
    drawn.set(id, (drawn.get(id) ?? 0) + 1);
    const logProb = (logits[id] as number) - logTotal;
    return { id, logProb, ...(options.alternatives && { alternatives: mostLikely(logits, options.alternatives) }) };
  };
  return Object.assign(sample, { seed });
}

/**
 * The probabilities that a sampler draws from: `float64[V]`, adding up to 1, 0 for what was filtered out.
 *
 * @param drawn - How often each token was drawn before, for the presence and frequency penalties.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if an option is out of range; `RUNTIME_FAILED` as {@link Sampler}.
 */
export function samplingDistribution(
  logits: Float32Array,
  history: ArrayLike<number> = [],
  options: SamplingOptions = {},
  drawn: ReadonlyMap<number, number> = new Map(),
): Float64Array {
  checkSamplingOptions(options);
  const { temperature = 1, topK, topP = 1, minP = 0 } = options;
  const scores = penalise(logits, history, options, drawn);
  const best = argMax(scores);
  if (temperature === 0) return new Float64Array(scores.length).fill(1, best, best + 1);
  const highest = scores[best] as number;
  requireFinite(highest);
  // Relative to the most likely token, so that no exponential overflows and min-p is a plain comparison.
  const weights = new Float64Array(scores.length);
  for (let id = 0; id < weights.length; id++) {
    weights[id] = exponentialOfMinus((highest - (scores[id] as number)) / temperature);
  }
  const kept = topK !== undefined || topP < 1 ? keepMostLikely(weights, topK ?? weights.length, topP) : weights;
  let total = 0;
  for (let id = 0; id < kept.length; id++) {
    if ((kept[id] as number) < minP) kept[id] = 0;
    total += kept[id] as number;
  }
  for (let id = 0; id < kept.length; id++) kept[id] = (kept[id] as number) / total;
  return kept;
}

/** Checks the options' ranges; called before anything is drawn. */
function checkSamplingOptions(options: SamplingOptions): void {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = options;
  if (temperature !== undefined) {
    checkNumber('temperature', temperature, 'a number of at least 0', (value) => Number.isFinite(value) && value >= 0);
  }
  if (topK !== undefined) checkCount('topK', topK);
  if (topP !== undefined) checkNumber('topP', topP, 'a number above 0, at most 1', (value) => value > 0 && value <= 1);
  if (minP !== undefined) checkNumber('minP', minP, 'a number from 0 to 1', (value) => value >= 0 && value <= 1);
  if (repetitionPenalty !== undefined) {
    checkNumber(
      'repetitionPenalty',
      repetitionPenalty,
      'a number above 0',
      (value) => Number.isFinite(value) && value > 0,
    );
  }
  for (const name of ['presencePenalty', 'frequencyPenalty'] as const) {
    if (options[name] !== undefined) checkNumber(name, options[name], 'a finite number', Number.isFinite);
  }
  if (options.alternatives !== undefined) {
    checkNumber(
      'alternatives',
      options.alternatives,
      'a whole number of at least 0',
      (value) => Number.isSafeInteger(value) && value >= 0,
    );
  }
  if (seed !== undefined) {
    const isSeed = (value: number) => Number.isInteger(value) && value >= 0 && value < 2 ** 32;
    checkNumber('seed', seed, 'a whole number from 0 to 4294967295', isSeed);
  }
}

/** Whether the options leave the model's own probabilities as they are. */
function drawsFromModel(options: SamplingOptions): boolean {
  const { temperature = 1, topK, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const { presencePenalty = 0, frequencyPenalty = 0 } = options;
  const keepsAll = topK === undefined && topP === 1 && minP === 0;
  return temperature === 1 && keepsAll && repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0;
}

/** Fills `weights` with the exponentials of the logits relative to the highest, without overflow. */
function exponentiate(logits: Float32Array, weights: Float64Array): { highest: number; total: number } {
  const highest = highestOf(logits);
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = exponentialOfMinus(highest - (logits[id] as number));
    weights[id] = weight;
    total += weight;
  }
  return { highest, total };
}

/** ln of the sum of exponentials, without overflow; what turns logits into log probabilities when subtracted. */
export function logSumExp(logits: ArrayLike<number>): number {
  const highest = highestOf(logits);
  let total = 0;
  for (let id = 0; id < logits.length; id++) total += exponentialOfMinus(highest - (logits[id] as number));
  return highest + Math.log(total);
}

function highestOf(logits: ArrayLike<number>): number {
  let highest = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    // NaN compares false with everything, so it would pass unseen through the maximum.
    if (Number.isNaN(logit)) requireFinite(logit);
    if (logit > highest) highest = logit;
  }
  requireFinite(highest);
  return highest;
}

function requireFinite(highestLogit: number): void {
  if (Number.isFinite(highestLogit)) return;
  throw new IteraError(
    'RUNTIME_FAILED',
    `Expected logits with a finite maximum and no NaN, got ${highestLogit}. The model's weights or this variant of it are damaged, or overflow in its precision.`,
    { got: highestLogit },
  );
}

/** The most likely token; of equals the first. */
export function argMax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id] as number;
    if (Number.isNaN(score)) requireFinite(score);
    if (score > (scores[best] as number)) best = id;
  }
  return best;
}

/** The most likely tokens, likeliest first, of equals the lower id. */
export function mostLikely(logits: Float32Array, count: number): readonly TokenLogProb[] {
  const logTotal = logSumExp(logits);
  const best: TokenLogProb[] = [];
  for (let id = 0; id < logits.length; id++) {
    const logProb = (logits[id] as number) - logTotal;
    if (best.length >= count && !(logProb > (best.at(-1)?.logProb ?? Infinity))) continue;
    const at = best.findIndex((other) => other.logProb < logProb);
    best.splice(at < 0 ? best.length : at, 0, { id, logProb });
    best.length = Math.min(best.length, count);
  }
  return best;
}

function penalise(
  logits: Float32Array,
  history: ArrayLike<number>,
  { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 }: SamplingOptions,
  drawn: ReadonlyMap<number, number>,
): Float32Array | Float64Array {
  const subtracts = (presencePenalty !== 0 || frequencyPenalty !== 0) && drawn.size > 0;
  if (repetitionPenalty === 1 && !subtracts) return logits;
  const scores = new Float64Array(logits);
  for (const id of repetitionPenalty === 1 ? [] : new Set(Array.from(history))) {
    const score = scores[id];
    if (score === undefined) {
      throw new IteraError('INVALID_ARGUMENT', `history: expected token ids below ${scores.length}, got ${id}.`, {
        id,
      });
    }
    scores[id] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty;
  }
  for (const [id, count] of subtracts ? drawn : []) {
    scores[id] = (scores[id] as number) - presencePenalty - frequencyPenalty * count;
  }
  return scores;
}

/** Zeroes all weights but those that top-k and then top-p keep. Takes only these from a heap, in falling order. */
function keepMostLikely(weights: Float64Array, topK: number, topP: number): Float64Array {
  const heap = createHeap(weights);
  if (topK >= heap.size()) return keepMass(weights, drain(heap), topP < 1 ? topP * sumOf(weights) : Infinity);
  const ids: number[] = [];
  let total = 0;
  for (const id of drain(heap)) {
    const weight = weights[id] as number;
    if (ids.length >= topK && weight < (weights[ids.at(-1) as number] as number)) break;
    ids.push(id);
    total += weight;
  }
  return keepMass(weights, ids, topP < 1 ? topP * total : Infinity);
}

function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return sum;
}

/** Keeps the given ids, heaviest first, as long as those before them weigh less than the limit. */
function keepMass(weights: Float64Array, ids: Iterable<number>, limit: number): Float64Array {
  const result = new Float64Array(weights.length);
  let before = 0;
  for (const id of ids) {
    if (before >= limit) break;
    result[id] = weights[id] as number;
    before += weights[id] as number;
  }
  return result;
}

interface Heap {
  size(): number;
  pop(): number | undefined;
}

function* drain(heap: Heap): Generator<number> {
  for (let id = heap.pop(); id !== undefined; id = heap.pop()) yield id;
}

/** A binary heap of the ids with positive weight: heaviest first, of equals the lower id. Built in O(V). */
function createHeap(weights: Float64Array): Heap {
  const ids: number[] = [];
  for (let id = 0; id < weights.length; id++) if ((weights[id] as number) > 0) ids.push(id);
  const comesBefore = (a: number, b: number) => {
    const difference = (weights[a] as number) - (weights[b] as number);
    return difference > 0 || (difference === 0 && a < b);
  };
  const sink = (start: number) => {
    const moving = ids[start] as number;
    let at = start;
    for (let child = 2 * at + 1; child < ids.length; child = 2 * at + 1) {
      if (child + 1 < ids.length && comesBefore(ids[child + 1] as number, ids[child] as number)) child++;
      if (!comesBefore(ids[child] as number, moving)) break;
      ids[at] = ids[child] as number;
      at = child;
    }
    ids[at] = moving;
  };
  for (let at = (ids.length >> 1) - 1; at >= 0; at--) sink(at);
  return {
    size: () => ids.length,
    pop: () => {
      const first = ids[0];
      const last = ids.pop();
      if (ids.length > 0) {
        ids[0] = last as number;
        sink(0);
      }
      return first;
    },
  };
}

/** The id at which the running total of weight / total passes a uniform number in [0, 1). */
function draw(weights: Float64Array, total: number, uniform: number): number {
  let passed = 0;
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    const probability = (weights[id] as number) / total;
    if (probability === 0) continue;
    passed += probability;
    last = id;
    if (uniform < passed) return id;
  }
  // Rounding may leave the total a little below 1.
  return last;
}
