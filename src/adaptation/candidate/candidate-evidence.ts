import type { Interval } from '../../core/statistics.ts';
import type { Learned } from '../learning/learning.ts';

/** A number and its 95% interval, which is absent where there was too little to make one. */
export interface Estimate {
  readonly value: number;
  readonly interval?: Interval;
}

/** What the gate judges a candidate by; plain JSON, kept with the run. */
export interface CandidateEvidence {
  readonly learning: Omit<Learned, 'best'> & {
    /** Steps that the candidate's weights have had; absent if none were better. */
    readonly step?: number;
  };
  /** Absent if there is no candidate. */
  readonly measured?: CandidateMeasurements;
}

/** All that was measured of a candidate. */
export interface CandidateMeasurements {
  /** On feedback that nothing was learnt from. */
  readonly heldOut: HeldOutEvidence;
  /** Bits per byte relative to the base model's, text by text. */
  readonly base: readonly BaseEvidence[];
  /** Texts that could not be had, and why. */
  readonly notRun: readonly { readonly text: string; readonly reason: string }[];
  /** What the gate for variants says of each on each text. */
  readonly variants: readonly { readonly variant: string; readonly passed: boolean; readonly sentence: string }[];
  /** Time of a pass relative to the promoted version's, median over rounds. */
  readonly latency: Estimate & { readonly rounds: number };
}

/** The candidate against the promoted version on feedback that decides about nothing else. */
export interface HeldOutEvidence {
  readonly examples: number;
  /** Mean difference of the examples' losses, see `scoreExamples`: below 0 the candidate is better. */
  readonly lossDifference: Estimate;
  /** Nats of all wanted texts relative to the promoted version's. */
  readonly wantedRatio?: Estimate;
  /** Geometric mean, over the examples, of how the probability of what is unwanted changed. */
  readonly unwantedFactor?: Estimate;
}

/** What learning cost on one text that has nothing to do with the feedback. */
export interface BaseEvidence {
  readonly text: string;
  readonly documents: number;
  /** Bits per byte of the base model and of the candidate. */
  readonly bitsPerByte: readonly [base: number, candidate: number];
  readonly ratio: Estimate;
}

/** What the gate says of one thing that it asks of a candidate. */
export interface GateFinding {
  readonly name: 'learning' | 'heldOut' | 'base' | 'variants' | 'latency';
  readonly passed: boolean;
  /** The finding for people. */
  readonly sentence: string;
}

/** What a candidate may cost. */
const gateBounds = { baseRise: 0.02, latencyRise: 0.05 } as const;

/**
 * Judges a candidate. It is promoted only if every finding is passed: held-out feedback is significantly better, base text
 * at the upper end of its interval no more than 2% worse, every variant within its bound, and a pass at most 5% slower.
 */
export function judgeEvidence({ measured }: CandidateEvidence): readonly GateFinding[] {
  if (!measured) {
    const sentence = 'Learning found no weights that are better on feedback kept for it and forget little enough.';
    return [{ name: 'learning', passed: false, sentence }];
  }
  const { heldOut, base, variants, latency } = measured;
  return [
    judgeHeldOut(heldOut),
    ...base.map(judgeBase),
    ...variants.map(({ passed, sentence }): GateFinding => ({ name: 'variants', passed, sentence })),
    judgeLatency(latency),
  ];
}

/** Whether a candidate passes; what was not judged passes nothing. */
export const passesEvidence = (findings: readonly GateFinding[]): boolean =>
  findings.some(({ name }) => name === 'base') && findings.every(({ passed }) => passed);

function judgeHeldOut({ examples, lossDifference }: HeldOutEvidence): GateFinding {
  const { value, interval } = lossDifference;
  const passed = interval !== undefined && interval[1] < 0;
  const found = `${describe(lossDifference, 3)} nats a token over ${examples} examples`;
  const sentence = passed
    ? `Held-out feedback is significantly better: ${found}.`
    : interval
      ? `Held-out feedback is not significantly better: ${found}.`
      : `Held-out feedback cannot be judged: ${value.toFixed(3)} nats a token over ${examples} examples gives no interval.`;
  return { name: 'heldOut', passed, sentence };
}

function judgeBase({ text, ratio }: BaseEvidence): GateFinding {
  const { interval } = ratio;
  const passed = interval !== undefined && interval[1] <= 1 + gateBounds.baseRise;
  const bound = `${100 * gateBounds.baseRise}% allowed`;
  const sentence = interval
    ? `Bits per byte on ${text}: ${percent(ratio)} against the base model, ${passed ? 'within' : 'beyond'} the ${bound}.`
    : `Bits per byte on ${text} cannot be judged: it has too few documents for an interval.`;
  return { name: 'base', passed, sentence };
}

function judgeLatency({ rounds, ...ratio }: CandidateMeasurements['latency']): GateFinding {
  const passed = ratio.value <= 1 + gateBounds.latencyRise;
  const bound = `${100 * gateBounds.latencyRise}% allowed`;
  const sentence = `Time of a pass: ${percent(ratio)} against the promoted version (median of ${rounds} rounds), ${passed ? 'within' : 'beyond'} the ${bound}.`;
  return { name: 'latency', passed, sentence };
}

const describe = ({ value, interval }: Estimate, digits: number): string =>
  `${value.toFixed(digits)}${interval ? ` [${interval.map((end) => end.toFixed(digits)).join(', ')}]` : ''}`;

function percent({ value, interval }: Estimate): string {
  const change = (ratio: number): string => `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(2)}%`;
  return `${change(value)}${interval ? ` [${interval.map(change).join(', ')}]` : ''}`;
}
