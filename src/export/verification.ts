import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createRandom } from '../core/random.ts';
import type { Tensor } from '../core/tensor.ts';
import { type ModelReferenceState, referenceModel } from '../models/causal-lm-reference.ts';
import type { ModelConfig } from '../models/config.ts';

/** An export that is loaded in its own runtime. */
export interface LogitRunner {
  /**
   * Reads tokens after those of a state, or from the beginning.
   *
   * @param rows - Token ids, `[B][T]`.
   * @returns Logits `[B, T, V]`, flattened, and the name of the state after them.
   */
  step(rows: readonly (readonly number[])[], state?: number): Promise<{ logits: Float64Array; state: number }>;
  /** Logits of whole texts; absent where an export has no such call of its own. */
  forward?(rows: readonly (readonly number[])[]): Promise<Float64Array>;
}

/** What an export may differ from the reference by. */
export interface VerificationBounds {
  /** Of logits, absolute. */
  readonly logits: number;
  /** Of the perplexity on a text, relative. */
  readonly perplexity: number;
}

/** One comparison with the reference. */
export interface VerificationCheck {
  /** What was compared, in words. */
  readonly name: string;
  /** Of logits; the perplexity over that of the reference; the share of greedy tokens that are the same. */
  readonly metric: 'max_abs_difference' | 'perplexity_ratio' | 'top1_agreement';
  readonly value: number;
  /** How far the value may be from 0, 1 and 1. */
  readonly bound: number;
  readonly passed: boolean;
  readonly batch: number;
  /** Tokens of each row. */
  readonly length: number;
}

/** What an exported file is compared on. */
export interface VerificationOptions {
  readonly bounds: VerificationBounds;
  /** Tokens of real text, 64 or more; what is beyond 256 is not read. */
  readonly text: ArrayLike<number>;
  /** Of token ids that are drawn, besides the text. */
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** After each check. */
  readonly onCheck?: (done: number, total: number) => void;
}

/** Batch and length of texts that are read whole: a single token, odd lengths, beyond a chunk, long. */
const shapes: readonly (readonly [batch: number, length: number])[] = [
  [1, 1],
  [3, 2],
  [2, 33],
  [1, 131],
];

/** Lengths of calls that carry the state on. */
const pieces = [1, 1, 5, 32, 2, 40] as const;
const greedyTokens = 32;
const longestText = 256;

/**
 * Compares an export with the float64 reference: logits over several shapes, with the state carried over several calls,
 * the perplexity of a text, and the greedy continuation of its beginning.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a text that is too short, `ABORTED`, and what the runner throws.
 */
export async function verifyExport(
  runner: LogitRunner,
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  { bounds, text, seed, signal, onCheck }: VerificationOptions,
): Promise<readonly VerificationCheck[]> {
  if (text.length < 64) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a text of 64 tokens or more to verify with, got ${text.length}.`,
    );
  }
  const checks: VerificationCheck[] = [];
  const total = shapes.length + 3;
  const keep = (
    name: string,
    found: Pick<VerificationCheck, 'metric' | 'value' | 'bound' | 'batch' | 'length'>,
  ): void => {
    const { metric, value, bound } = found;
    // NaN passes no bound.
    const passed = Math.abs(value - (metric === 'max_abs_difference' ? 0 : 1)) <= bound;
    checks.push({ name, ...found, passed });
    onCheck?.(checks.length, total);
  };
  const keepLogits = (name: string, value: number, batch: number, length: number): void =>
    keep(name, { metric: 'max_abs_difference', value, bound: bounds.logits, batch, length });
  const random = createRandom(seed, 23);
  const draw = (batch: number, length: number): number[][] =>
    Array.from({ length: batch }, () => Array.from({ length }, () => random.integer(config.vocabSize)));
  const reference = (row: readonly number[], state?: ModelReferenceState) =>
    referenceModel(config, weights, row, state);

  for (const [batch, length] of shapes) {
    throwIfAborted(signal);
    const rows = draw(batch, length);
    const expected = joinRows(rows.map((row) => reference(row).logits));
    const found = runner.forward ? await runner.forward(rows) : (await runner.step(rows)).logits;
    keepLogits('whole texts', largestDifference(found, expected), batch, length);
  }

  throwIfAborted(signal);
  const [row = []] = draw(
    1,
    pieces.reduce((sum, length) => sum + length, 0),
  );
  const whole = reference(row).logits;
  const parts: Float64Array[] = [];
  let state: number | undefined;
  let at = 0;
  for (const length of pieces) {
    const call = await runner.step([row.slice(at, at + length)], state);
    parts.push(call.logits);
    state = call.state;
    at += length;
  }
  keepLogits(`state carried over ${pieces.length} calls`, largestDifference(joinRows(parts), whole), 1, row.length);

  throwIfAborted(signal);
  const tokens = Array.from(text).slice(0, longestText);
  const ownNats = meanNats((await runner.step([tokens])).logits, tokens, config.vocabSize);
  const referenceNats = meanNats(reference(tokens).logits, tokens, config.vocabSize);
  const ratio = Math.exp(ownNats - referenceNats);
  const ofText = { batch: 1, length: tokens.length };
  keep('a real text', { metric: 'perplexity_ratio', value: ratio, bound: bounds.perplexity, ...ofText });

  throwIfAborted(signal);
  const prompt = tokens.slice(0, 16);
  const continued = await continueGreedily(prompt, config.vocabSize, (ids, before?: number) =>
    runner.step([ids], before),
  );
  const wanted = await continueGreedily(prompt, config.vocabSize, async (ids, before?: ModelReferenceState) =>
    reference(ids, before),
  );
  const same = wanted.filter((token, index) => continued[index] === token).length / greedyTokens;
  keep('greedy continuation', { metric: 'top1_agreement', value: same, bound: 0, batch: 1, length: greedyTokens });
  return checks;
}

async function continueGreedily<State>(
  prompt: readonly number[],
  vocabSize: number,
  step: (ids: readonly number[], state?: State) => Promise<{ logits: Float64Array; state: State }>,
): Promise<readonly number[]> {
  const tokens: number[] = [];
  let { logits, state } = await step(prompt);
  while (tokens.length < greedyTokens) {
    const last = logits.subarray(logits.length - vocabSize);
    tokens.push(last.reduce((best, logit, token) => (logit > (last[best] as number) ? token : best), 0));
    ({ logits, state } = await step(tokens.slice(-1), state));
  }
  return tokens;
}

/** Infinite where the number of logits differs; NaN where one is. */
function largestDifference(found: Float64Array, expected: Float64Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  return found.reduce((most, value, index) => Math.max(most, Math.abs(value - (expected[index] as number))), 0);
}

/**
 * Mean negative log probability of each token after the first, given those before it. NaN for logits that are no numbers,
 * where the runtime's own sum would throw: that is a check that fails.
 */
function meanNats(logits: Float64Array, tokens: readonly number[], vocabSize: number): number {
  let sum = 0;
  for (let position = 1; position < tokens.length; position++) {
    const scores = logits.subarray((position - 1) * vocabSize, position * vocabSize);
    const largest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
    const normalizer = largest + Math.log(scores.reduce((total, score) => total + Math.exp(score - largest), 0));
    sum += normalizer - (scores[tokens[position] as number] as number);
  }
  return sum / (tokens.length - 1);
}

function joinRows(rows: readonly Float64Array[]): Float64Array {
  const joined = new Float64Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    joined.set(row, at);
    at += row.length;
  }
  return joined;
}
