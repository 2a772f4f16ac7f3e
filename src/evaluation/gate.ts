import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import type { DegradationBounds } from './degradation-bounds.ts';

/** What the gate says of one variant on one text. */
export interface GateVerdict {
  /** The model, as the records name it. */
  readonly subject: string;
  readonly variant: string;
  /** Absent where no text was measured at all. */
  readonly dataset?: string;
  readonly split?: string;
  /** The rise of perplexity allowed, 0.02 for 2%; absent if none is set for the variant. */
  readonly bound?: number;
  /** Perplexity relative to the baseline's and its interval, where they are measured. */
  readonly ratio?: number;
  readonly interval?: readonly [number, number];
  readonly passed: boolean;
  /** `within` is passed; `beyond` is measured and not passed; `unjudged` is neither, and not passed. */
  readonly finding: 'within' | 'beyond' | 'unjudged';
  /** The verdict for people. */
  readonly sentence: string;
}

/** What {@link judgeVariants} judges. */
export interface GateOptions {
  /** Variants that must be judged. Default: all that any record names, but the baseline. */
  readonly variants?: readonly string[];
  /** Never judged. Default `fp32`. */
  readonly baseline?: string;
}

/** What a verdict is about. */
type Place = Pick<GateVerdict, 'subject' | 'variant' | 'dataset' | 'split' | 'bound'>;

/** A verdict rests on an interval of at least this coverage. */
const leastConfidence = 0.95;

/**
 * Judges every variant on every text that the records are about: the upper end of the paired interval of its
 * `perplexity_ratio` must lie below 1 + its bound. What cannot be judged does not pass: a variant without a measurement,
 * an interval, a bound or numbers that are finite. So that a text that could not be had fails no variant, leave its
 * records out.
 *
 * @returns A verdict for each variant and text, in the order of the records; several where the records hold several
 *   ratios of one variant on one text. Ask {@link passesGate} what they come to.
 */
export function judgeVariants(
  records: readonly MeasurementRecord[],
  bounds: DegradationBounds,
  options: GateOptions = {},
): readonly GateVerdict[] {
  const { baseline = 'fp32' } = options;
  const subjects = [...new Set(records.map(({ subject }) => subject))];
  return subjects.flatMap((subject) => {
    const own = records.filter((record) => record.subject === subject);
    const named = own.flatMap(({ conditions: { variant } }) => (variant === undefined ? [] : [variant]));
    const variants = [...new Set(options.variants ?? named)].filter((variant) => variant !== baseline);
    return variants.flatMap((variant) =>
      measuredTexts(own).flatMap((text) => {
        const bound = Object.hasOwn(bounds, variant) ? bounds[variant] : undefined;
        const place: Place = { subject, variant, ...text, ...(bound !== undefined && { bound }) };
        const ratios = own.filter(
          ({ metric, conditions }) =>
            metric === 'perplexity_ratio' &&
            conditions.variant === variant &&
            conditions.dataset === text.dataset &&
            conditions.split === text.split,
        );
        if (ratios.length > 0) return ratios.map((record) => judge(record, place, baseline));
        return [unjudged(place, text.dataset === undefined ? 'no text was measured' : 'it was not compared')];
      }),
    );
  });
}

/** Whether every variant passes; without any verdict nothing is shown, and so nothing passes. */
export function passesGate(verdicts: readonly GateVerdict[]): boolean {
  return verdicts.length > 0 && verdicts.every(({ passed }) => passed);
}

/** The texts that records name, each once; a single one without a name if there are none. */
function measuredTexts(records: readonly MeasurementRecord[]): readonly Pick<GateVerdict, 'dataset' | 'split'>[] {
  const texts = new Map<string, Pick<GateVerdict, 'dataset' | 'split'>>();
  for (const { conditions } of records) {
    const { dataset, split } = conditions;
    if (dataset === undefined) continue;
    texts.set(JSON.stringify([dataset, split]), { dataset, ...(split !== undefined && { split }) });
  }
  return texts.size === 0 ? [{}] : [...texts.values()];
}

function judge(record: MeasurementRecord, place: Place, baseline: string): GateVerdict {
  const { bound } = place;
  if (record.status === 'notRun') return unjudged(place, record.reason);
  if (record.status !== 'measured') return unjudged(place, 'its perplexity is only estimated');
  const { value: ratio, interval, confidence } = record;
  const found: Place & Pick<GateVerdict, 'ratio' | 'interval'> = { ...place, ratio, ...(interval && { interval }) };
  if (bound === undefined || !Number.isFinite(bound)) return unjudged(found, 'no bound is set for it');
  if (!(Number.isFinite(ratio) && ratio > 0)) return unjudged(found, `its perplexity ratio is ${ratio}`);
  if (!interval) {
    return unjudged(
      found,
      `its perplexity ratio of ${Number(ratio.toPrecision(5))} has no interval (${record.method}); give a longer text`,
    );
  }
  const [low, high] = interval;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high)) {
    return unjudged(found, `the interval of its perplexity ratio is [${low}, ${high}]`);
  }
  if (!(confidence !== undefined && confidence >= leastConfidence)) {
    return unjudged(found, `the interval of its perplexity ratio does not cover ${leastConfidence * 100}%`);
  }
  const passed = high < 1 + bound;
  return {
    ...found,
    passed,
    finding: passed ? 'within' : 'beyond',
    sentence: describeVerdict({ ...record, interval }, { ...place, bound }, baseline),
  };
}

function unjudged(place: Place, reason: string): GateVerdict {
  const end = /[.!?]$/.test(reason) ? '' : '.';
  return {
    ...place,
    passed: false,
    finding: 'unjudged',
    sentence: `${place.variant} cannot be judged${onText(place)}: ${reason}${end}`,
  };
}

const onText = ({ dataset, split }: Place): string =>
  dataset === undefined ? '' : ` on ${split === undefined ? dataset : `${dataset}/${split}`}`;

/** For instance "int4 is 2.1% [1.8%, 2.4%] worse than fp32 on tinystories: within 20%." */
function describeVerdict(
  { value, interval: [low, high] }: ValueRecord & { readonly interval: readonly [number, number] },
  place: Place & { readonly bound: number },
  baseline: string,
): string {
  const { variant, bound } = place;
  const change = [value, low, high].map((ratio) => (ratio - 1) * 100) as [number, number, number];
  const decimals = shownDecimals(change, bound * 100);
  const percent = (amount: number) => `${(amount + 0).toFixed(decimals).replace(/^-(?=[0.]+$)/, '')}%`;
  const [middle, lower, upper] = change;
  const effect =
    middle < 0
      ? `${percent(-middle)} [${percent(-upper)}, ${percent(-lower)}] better than`
      : `${percent(middle)} [${percent(lower)}, ${percent(upper)}] worse than`;
  const limit = `${Number((bound * 100).toPrecision(12))}%`;
  const outcome =
    high < 1 + bound ? `within ${limit}` : value < 1 + bound ? `not shown to be within ${limit}` : `beyond ${limit}`;
  return `${variant} is ${effect} ${baseline}${onText(place)}: ${outcome}.`;
}

/** Decimals that show the interval's half width, and more where rounding would put its upper end at the bound. */
function shownDecimals([, lower, upper]: readonly [number, number, number], limit: number): number {
  const halfWidth = (upper - lower) / 2;
  let decimals = halfWidth > 0 ? Math.min(Math.max(-Math.floor(Math.log10(halfWidth)), 0), 6) : 2;
  const apart = Math.abs(upper - limit) > 1e-6;
  while (apart && decimals < 6 && Number(upper.toFixed(decimals)) === limit) decimals += 1;
  return decimals;
}
