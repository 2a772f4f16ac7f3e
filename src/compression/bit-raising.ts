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
export interface RaisingRound<O extends BitOption = BitOption, M extends RaisedMeasurement = RaisedMeasurement> {
  readonly assignment: BitAssignment<O>;
  readonly bytes: number;
  /** How many tensors are stored better than at the start. */
  readonly raised: number;
  readonly measurement: M;
}

export interface RaisingResult<O extends BitOption = BitOption, M extends RaisedMeasurement = RaisedMeasurement> {
  /** `cannot pass`: not even with the largest option for all. */
  readonly status: 'passed' | 'cannot pass';
  /** The smallest assignment that was measured and passed; otherwise the one with the largest option for all. */
  readonly final: RaisingRound<O, M>;
  /** All that was measured, in order. */
  readonly rounds: readonly RaisingRound<O, M>[];
  /** The result for people. */
  readonly sentence: string;
}

export interface RaisingOptions {
  /** Variants built and measured at most, at least 1. Default 6. */
  readonly rounds?: number;
}

/** A larger option for one tensor. */
interface Raise<O extends BitOption> {
  readonly name: string;
  readonly option: O;
}

/**
 * Finds larger options, such as more bits, with which a variant that failed its gate passes. Raises are put in the order
 * of the predicted loss that they take away per byte; then as few of them as needed are looked for by halving: all
 * raises first, since nothing else can pass if they do not, then half of what is left, and so on. It ends when no step
 * is left between what failed and what passed, or with the smallest assignment that passed when the rounds are used up.
 *
 * @param start - The assignment that failed; it is not measured again unless nothing can be raised.
 * @param tensors - All tensors of `start` with their options, those of `start` among them; smaller ones are not used.
 * @param measure - Builds the variant and judges it.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if tensors and assignment do not fit or no round is allowed, and what
 *   `measure` throws.
 * @remarks Halving takes for granted that more raises are never worse, which noise may contradict close to the bound:
 *   the result did pass when it was measured, but is then not surely the smallest that does.
 */
export async function raiseBits<O extends BitOption, M extends RaisedMeasurement>(
  start: BitAssignment<O>,
  tensors: readonly AllocatableTensor<O>[],
  measure: (assignment: BitAssignment<O>) => Promise<M>,
  { rounds: mostRounds = 6 }: RaisingOptions = {},
): Promise<RaisingResult<O, M>> {
  if (!Number.isSafeInteger(mostRounds) || mostRounds < 1) {
    throw new IteraError('INVALID_ARGUMENT', `Expected at least 1 round, got ${mostRounds}.`, { rounds: mostRounds });
  }
  checkStart(start, tensors);
  const raises = orderRaises(start, tensors);
  const rounds: RaisingRound<O, M>[] = [];
  const tryRaises = async (count: number): Promise<RaisingRound<O, M>> => {
    const assignment = new Map(start);
    for (const { name, option } of raises.slice(0, count)) assignment.set(name, option);
    const round: RaisingRound<O, M> = {
      assignment,
      bytes: [...assignment.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      raised: [...assignment].filter(([name, option]) => option !== start.get(name)).length,
      measurement: await measure(assignment),
    };
    rounds.push(round);
    return round;
  };

  let passing = raises.length;
  let final = await tryRaises(passing);
  if (!final.measurement.passed) {
    const sentence = `It cannot pass: with the largest option for all ${tensors.length} tensors (${final.bytes} bytes of matrices), ${state(final)}.`;
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
  const sentence = `It passes with larger options for ${final.raised} of ${tensors.length} tensors (${final.bytes} bytes of matrices): ${state(final)}; found in ${rounds.length} rounds.`;
  return { status: 'passed', final, rounds, sentence };
}

function state({ measurement: { ratio, upper } }: RaisingRound): string {
  const shown = (value: number | undefined) => (value === undefined ? 'unknown' : value.toFixed(6));
  return `the ratio of its perplexity to that of FP32 is ${shown(ratio)}, the upper end ${shown(upper)}`;
}

function checkStart<O extends BitOption>(start: BitAssignment<O>, tensors: readonly AllocatableTensor<O>[]): void {
  checkTensors(tensors);
  const named = new Map(tensors.map(({ name, options }) => [name, options]));
  for (const name of new Set([...named.keys(), ...start.keys()])) {
    const option = start.get(name);
    const same = (each: O) => each.bits === option?.bits && each.blockSize === option.blockSize;
    if (named.get(name)?.some(same)) continue;
    const message = `Expected an assignment of one of its options to each tensor, got ${option ? 'another' : 'none'} for ${name}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name });
  }
}

/** All raises up to the largest option of every tensor, each time the one that takes away most loss per byte. */
function orderRaises<O extends BitOption>(
  start: BitAssignment<O>,
  tensors: readonly AllocatableTensor<O>[],
): readonly Raise<O>[] {
  const current = new Map(start);
  const order: Raise<O>[] = [];
  for (;;) {
    let best: (Raise<O> & { readonly gain: number }) | undefined;
    for (const { name, options } of tensors) {
      const from = current.get(name) as O;
      for (const option of options) {
        if (option.bytes <= from.bytes || !Number.isFinite(option.predictedLoss)) continue;
        const gain = (from.predictedLoss - option.predictedLoss) / (option.bytes - from.bytes);
        // Of equals the smaller step, so that none is skipped.
        const smaller = gain === best?.gain && name === best.name && option.bytes < best.option.bytes;
        if (!best || gain > best.gain || smaller) best = { name, option, gain };
      }
    }
    if (!best) return order;
    current.set(best.name, best.option);
    order.push({ name: best.name, option: best.option });
  }
}
