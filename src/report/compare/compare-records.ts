import type { MeasurementRecord, Metric, Provenance, RecordSet, ValueRecord } from '../../core/measurement.ts';
import { adjustForDiscoveries } from '../../core/significance.ts';
import { metricTexts } from '../number-text.ts';
import { type ChangeTest, testChange } from './change-test.ts';
import { isMomentary, matchRecords, type RecordPair } from './match-records.ts';
import { describeDifferences } from './provenance-difference.ts';

/** What can be said of two records of the same thing, from the gravest on. */
export const verdicts = [
  'regressed',
  'changed',
  'improved',
  'unchanged',
  'notJudged',
  'notInterleaved',
  'notComparable',
] as const;

export type Verdict = (typeof verdicts)[number];

/** Two records of the same thing and what is said of them. */
export interface Change extends RecordPair {
  readonly verdict: Verdict;
  /** Why it was not judged, or what it was judged by. */
  readonly reason: string;
  /** after / before − 1; absent where one has no value or `before` is 0. */
  readonly relative?: number;
  readonly test?: ChangeTest;
  /** The p-value adjusted for the number of tests (Benjamini-Hochberg). */
  readonly adjustedPValue?: number;
}

export interface ComparisonOptions {
  /** Share of false findings among all findings that is allowed. Default 0.05. */
  readonly falseDiscoveryRate?: number;
  /** Least relative change that counts as one, 0.001 for 0.1%, however significant. Default 0.001. */
  readonly leastChange?: number;
  /** Whether what depends on the machine and the moment is judged too. Default: not. */
  readonly includeTiming?: boolean;
}

/** All that two sets of records say of each other. */
export interface Comparison {
  readonly before: Provenance;
  readonly after: Provenance;
  readonly options: Required<ComparisonOptions>;
  readonly changes: readonly Change[];
  readonly onlyBefore: readonly MeasurementRecord[];
  readonly onlyAfter: readonly MeasurementRecord[];
  /** What differs in how both were made, in plain sentences. */
  readonly notes: readonly string[];
}

/** They follow from the model's files alone: any difference is one. */
const exactMetrics: ReadonlySet<Metric> = new Set<Metric>([
  'parameters',
  'active_parameters',
  'size_bytes',
  'projected_energy_j_per_token',
]);

/** They are means over tokens, which are others with another tokenizer. */
const tokenMetrics: ReadonlySet<Metric> = new Set<Metric>([
  ...(['token_perplexity', 'nats_per_token', 'perplexity_ratio', 'kl_divergence_nats', 'top1_agreement'] as const),
]);

/**
 * Compares two sets of records: matches them, tests each pair ({@link testChange}), allows for the number of tests, and says
 * by the metric's better direction whether it improved or regressed.
 */
export function compareRecords(before: RecordSet, after: RecordSet, options: ComparisonOptions = {}): Comparison {
  const { falseDiscoveryRate = 0.05, leastChange = 0.001, includeTiming = false } = options;
  const used = { falseDiscoveryRate, leastChange, includeTiming };
  const { pairs, onlyBefore, onlyAfter } = matchRecords(before.records, after.records);
  const changes = pairs.map((pair) => judge(pair, [before.provenance, after.provenance], used));
  const tested = changes.filter(({ test }) => test !== undefined);
  const adjusted = adjustForDiscoveries(tested.map(({ test }) => (test as ChangeTest).pValue));
  const found = new Map(tested.map((change, index) => [change, adjusted[index] as number]));
  return {
    ...{ before: before.provenance, after: after.provenance, options: used },
    changes: changes.map((change) => {
      const adjustedPValue = found.get(change);
      return adjustedPValue === undefined ? change : decide(change, adjustedPValue, used);
    }),
    ...{ onlyBefore, onlyAfter },
    notes: describeDifferences(before.provenance, after.provenance, pairs),
  };
}

/** How many records got each verdict. */
export function countVerdicts({ changes }: Comparison): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict) => changes.filter((change) => change.verdict === verdict).length;
  return Object.fromEntries(verdicts.map((verdict) => [verdict, count(verdict)])) as Record<Verdict, number>;
}

/** All that can be said before the number of tests is known. */
function judge(
  pair: RecordPair,
  [was, is]: readonly [Provenance, Provenance],
  { leastChange, includeTiming }: Required<ComparisonOptions>,
): Change {
  const { before, after } = pair;
  const obstacle = findObstacle(before, after, was, is);
  if (obstacle !== undefined) return { ...pair, verdict: 'notComparable', reason: obstacle };
  const [one, other] = [before as ValueRecord, after as ValueRecord];
  const relative = one.value === 0 ? {} : { relative: other.value / one.value - 1 };
  const base = { ...pair, ...relative };
  if (exactMetrics.has(after.metric)) {
    const isEqual = one.value === other.value;
    const isSmall = !isEqual && Math.abs(relative.relative ?? Infinity) < leastChange;
    const reason = isEqual ? 'equal' : isSmall ? belowLeast(leastChange) : 'exact, without chance';
    return { ...base, verdict: isEqual || isSmall ? 'unchanged' : direction(one, other), reason };
  }
  if (isMomentary(after) && !includeTiming && one.value !== other.value) {
    return { ...base, verdict: 'notInterleaved', reason: 'measured at another time, not in turns' };
  }
  const test = testChange(one, other, isSameText(after, was, is));
  if ('reason' in test) {
    const isEqual = one.value === other.value;
    return { ...base, verdict: isEqual ? 'unchanged' : 'notJudged', reason: isEqual ? 'equal' : test.reason };
  }
  return { ...base, verdict: 'unchanged', reason: test.kind, test };
}

function decide(
  change: Change,
  adjustedPValue: number,
  { falseDiscoveryRate, leastChange }: Required<ComparisonOptions>,
): Change {
  const [one, other] = [change.before as ValueRecord, change.after as ValueRecord];
  const decided = { ...change, adjustedPValue };
  if (one.value === other.value) return { ...decided, reason: 'equal' };
  const how = change.test?.kind === 'paired' ? 'the same documents in pairs' : 'both intervals';
  if (adjustedPValue > falseDiscoveryRate) return { ...decided, reason: `no significant difference by ${how}` };
  if (Math.abs(change.relative ?? Infinity) < leastChange) return { ...decided, reason: belowLeast(leastChange) };
  return { ...decided, verdict: direction(one, other), reason: `significant by ${how}` };
}

function findObstacle(
  before: MeasurementRecord,
  after: MeasurementRecord,
  was: Provenance,
  is: Provenance,
): string | undefined {
  if (before.status === 'notRun' || after.status === 'notRun') {
    const sides = [...(before.status === 'notRun' ? ['before'] : []), ...(after.status === 'notRun' ? ['after'] : [])];
    return `not run ${sides.join(' and ')}`;
  }
  if (before.status !== after.status) return `${before.status} before, ${after.status} after`;
  if (before.unit !== after.unit) return `in ${before.unit} before, in ${after.unit} after`;
  if (differ(textHash(before, was), textHash(after, is))) return 'the text is another';
  const tokenizer = 'model/tokenizer.json';
  if (tokenMetrics.has(after.metric) && differ(was.hashes[tokenizer], is.hashes[tokenizer])) {
    return 'the tokenizer is another, and so are its tokens';
  }
  return undefined;
}

/** Of two sha256 that may not be known. */
const differ = (hash: string | undefined, other: string | undefined): boolean =>
  hash !== undefined && other !== undefined && hash !== other;

/** The sha256 of the text that a record is about, as far as its provenance tells. */
function textHash({ conditions: { dataset, split } }: MeasurementRecord, { hashes }: Provenance): string | undefined {
  return hashes[`dataset/${split === undefined ? dataset : `${dataset}/${split}`}`];
}

function isSameText(record: MeasurementRecord, was: Provenance, is: Provenance): boolean {
  const hash = textHash(record, was);
  return hash !== undefined && hash === textHash(record, is);
}

function direction({ value: was }: ValueRecord, { value: is, metric }: ValueRecord): Verdict {
  const { better } = metricTexts[metric];
  if (better === undefined) return 'changed';
  return is < was === (better === 'lower') ? 'improved' : 'regressed';
}

const belowLeast = (leastChange: number): string =>
  `smaller than the ${Number((leastChange * 100).toPrecision(6))}% that count`;
