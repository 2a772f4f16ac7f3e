import { IteraError } from '../core/errors.ts';
import { type AllocatableTensor, type BitAssignment, type BitOption, checkTensors } from './bit-allocation.ts';

/** What measuring a variant says. */
export interface RaisedMeasurement {
  /** Whether the upper end is within the gate's bound. */
  readonly passed: boolean;
  /** Perplexity relative to FP32's, and the upper end of its interval; absent where they could not be measured. */
  readonly ratio?: number;
  readonly upper?: number;
}

/** One assignment that was built and measured. */
export interface RaisingRound<M extends RaisedMeasurement = RaisedMeasurement> {
  readonly bits: BitAssignment;
  readonly bytes: number;
  /** How many tensors have more bits than at the start. */
  readonly raised: number;
  readonly measurement: M;
}

export interface RaisingResult<M extends RaisedMeasurement = RaisedMeasurement> {
  /** `cannot pass`: not even with the most bits for all. */
  readonly status: 'passed' | 'cannot pass';
  /** The smallest assignment that was measured and passed; otherwise the one with the most bits for all. */
  readonly final: RaisingRound<M>;
  /** All that was measured, in order. */
  readonly rounds: readonly RaisingRound<M>[];
  /** The result for people. */
  readonly sentence: string;
}

export interface RaisingOptions {
  /** Variants built and measured at most, at least 1. Default 6. */
  readonly rounds?: number;
}

/** More bits for one tensor. */
interface Raise {
  readonly name: string;
  readonly option: BitOption;
}

/**
 * Finds more bits with which a variant that failed its gate passes. Raises are put in the order of the predicted loss
 * that they take away per byte; then as few of them as needed are looked for by halving: all raises first, since
 * nothing else can pass if they do not, then half of what is left, and so on. It ends when no step is left between what
 * failed and what passed, or with the smallest assignment that passed when the rounds are used up.
 *
 * @param start - The assignment that failed; it is not measured again.
 * @param tensors - All tensors of `start` with their options; of options with fewer bits than `start` none is used.
 * @param measure - Builds the variant and judges it.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if tensors and assignment do not fit or no round is allowed, and what
 *   `measure` throws.
 * @remarks Halving takes for granted that more raises are never worse, which noise may contradict close to the bound:
 *   the result did pass when it was measured, but is then not surely the smallest that does.
 */
export async function raiseBits<M extends RaisedMeasurement>(
  start: BitAssignment,
  tensors: readonly AllocatableTensor[],
  measure: (bits: BitAssignment) => Promise<M>,
  { rounds: mostRounds = 6 }: RaisingOptions = {},
): Promise<RaisingResult<M>> {
  if (!Number.isSafeInteger(mostRounds) || mostRounds < 1) {
    throw new IteraError('INVALID_ARGUMENT', `Expected at least 1 round, got ${mostRounds}.`, { rounds: mostRounds });
  }
  const current = chosenOptions(start, tensors);
  const raises = orderRaises(current, tensors);
  const rounds: RaisingRound<M>[] = [];
  const tryRaises = async (count: number): Promise<RaisingRound<M>> => {
    const chosen = new Map(current);
    for (const { name, option } of raises.slice(0, count)) chosen.set(name, option);
    const bits = new Map([...chosen].map(([name, option]) => [name, option.bits]));
    const round: RaisingRound<M> = {
      bits,
      bytes: [...chosen.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      raised: [...bits].filter(([name, width]) => width !== start.get(name)).length,
      measurement: await measure(bits),
    };
    rounds.push(round);
    return round;
  };

  let passing = raises.length;
  let final = await tryRaises(passing);
  if (!final.measurement.passed) {
    const sentence = `It cannot pass: with the most bits for all ${tensors.length} tensors (${final.bytes} bytes), ${state(final)}.`;
    return { status: 'cannot pass', final, rounds, sentence };
  }
  let failing = 0;
  while (passing - failing > 1 && rounds.length < mostRounds) {
    const middle = Math.floor((failing + passing) / 2);
    const round = await tryRaises(middle);
    if (round.measurement.passed) {
      passing = middle;
      final = round;
    } else failing = middle;
  }
  const sentence = `It passes with more bits for ${final.raised} of ${tensors.length} tensors (${final.bytes} bytes): ${state(final)}; found in ${rounds.length} rounds.`;
  return { status: 'passed', final, rounds, sentence };
}

function state({ measurement: { ratio, upper } }: RaisingRound): string {
  const shown = (value: number | undefined) => (value === undefined ? 'unknown' : value.toFixed(4));
  return `the ratio of its perplexity to that of FP32 is ${shown(ratio)}, the upper end ${shown(upper)}`;
}

function chosenOptions(start: BitAssignment, tensors: readonly AllocatableTensor[]): Map<string, BitOption> {
  checkTensors(tensors);
  const chosen = new Map<string, BitOption>();
  for (const { name, options } of tensors) {
    const option = options.find(({ bits }) => bits === start.get(name));
    if (!option) {
      const message = `Expected an assignment of one of ${options.map(({ bits }) => bits).join(', ')} bits to ${name}, got ${start.get(name) ?? 'none'}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { name });
    }
    chosen.set(name, option);
  }
  const unknown = [...start.keys()].find((name) => !chosen.has(name));
  if (unknown !== undefined) {
    throw new IteraError('INVALID_ARGUMENT', `Expected an assignment to known tensors, got ${unknown}.`, { unknown });
  }
  return chosen;
}

/** All raises up to the most bits of every tensor, each time the one that takes away most loss per byte. */
function orderRaises(start: ReadonlyMap<string, BitOption>, tensors: readonly AllocatableTensor[]): readonly Raise[] {
  const current = new Map(start);
  const order: Raise[] = [];
  for (;;) {
    let best: (Raise & { readonly gain: number }) | undefined;
    for (const { name, options } of tensors) {
      const from = current.get(name) as BitOption;
      for (const option of options) {
        if (option.bits <= from.bits || !Number.isFinite(option.predictedLoss)) continue;
        const gain = (from.predictedLoss - option.predictedLoss) / Math.max(1, option.bytes - from.bytes);
        // Among equals fewer bits first, so that none is skipped.
        if (!best || gain > best.gain || (gain === best.gain && name === best.name && option.bits < best.option.bits)) {
          best = { name, option, gain };
        }
      }
    }
    if (!best) return order;
    current.set(best.name, best.option);
    order.push({ name: best.name, option: best.option });
  }
}
