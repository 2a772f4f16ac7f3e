import type { MeasurementRecord, Metric } from '../../core/measurement.ts';
import { formatRecord, metricTexts, shownUnit } from '../number-text.ts';
import { labelsOf, labelTitle, type Table, varyingLabels } from '../table.ts';
import { type Change, type Comparison, countVerdicts, type Verdict, verdicts } from './compare-records.ts';

/** Verdicts as people read them. */
export const verdictTexts: Readonly<Record<Verdict, string>> = {
  regressed: 'regressed',
  changed: 'changed',
  improved: 'improved',
  unchanged: 'no significant difference',
  notJudged: 'not judged',
  notInterleaved: 'not interleaved',
  notComparable: 'not comparable',
};

/** Whether a verdict says that something significantly changed. */
export const isFinding = ({ verdict }: Change): boolean =>
  verdict === 'regressed' || verdict === 'changed' || verdict === 'improved';

/**
 * A row for each change, the gravest first: what was measured, both values, the change with its 95% interval, the verdict
 * and what it rests on.
 */
export function changeTable(caption: string, changes: readonly Change[], all: readonly Change[] = changes): Table {
  const names = tellingLabels(all);
  const rank = ({ verdict }: Change): number => verdicts.indexOf(verdict);
  return {
    caption,
    columns: [
      { title: 'Metric', kind: 'label' },
      { title: 'Of', kind: 'label' },
      { title: 'Before', kind: 'number' },
      { title: 'After', kind: 'number' },
      { title: 'Change', kind: 'number' },
      { title: 'Verdict', kind: 'label' },
      { title: 'Because', kind: 'label' },
    ],
    rows: [...changes]
      .sort((a, b) => rank(a) - rank(b))
      .map((change) => [
        { text: metricName(change.after) },
        { text: describeLabels(change.after, names.get(change.after.metric) ?? []) },
        { text: shortRecord(change.before) },
        { text: shortRecord(change.after) },
        { text: changeText(change) },
        { text: verdictTexts[change.verdict] },
        { text: reasonText(change) },
      ]),
  };
}

/** `2 regressed, 14 without a significant difference` and so on, as one sentence. */
export function countSentence(comparison: Comparison): string {
  const counts = countVerdicts(comparison);
  const parts = verdicts
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => `${counts[verdict]} ${verdict === 'unchanged' ? 'with ' : ''}${verdictTexts[verdict]}`);
  const { onlyBefore, onlyAfter } = comparison;
  const lost = [
    ...(onlyBefore.length > 0 ? [`${onlyBefore.length} only before`] : []),
    ...(onlyAfter.length > 0 ? [`${onlyAfter.length} only after`] : []),
  ];
  return `${comparison.changes.length} compared: ${[...parts, ...lost].join(', ')}.`;
}

/** How the verdicts were reached, as one sentence. */
export function ruleSentence({ options: { falseDiscoveryRate, leastChange, includeTiming } }: Comparison): string {
  const percent = (share: number): string => `${Number((share * 100).toPrecision(6))}%`;
  const timing = includeTiming
    ? 'Time, memory and energy were measured in two runs and not in turns: they may differ for that alone.'
    : 'Time, memory and energy were measured in two runs and not in turns, so they are not judged.';
  return (
    `A change counts if it is at least ${percent(leastChange)} and significant at a false discovery rate of ` +
    `${percent(falseDiscoveryRate)} (Benjamini-Hochberg). ${timing}`
  );
}

/** `+2.3% [+1.1%, +3.5%]`, or the difference where a ratio says little. */
export function changeText({ relative, test, before, after }: Change): string {
  if (before.status === 'notRun' || after.status === 'notRun') return '–';
  if (before.value === after.value) return '0';
  if (test?.scale === 'absolute') {
    const digits = (number: number): string => signed(Number(number.toPrecision(3)));
    return `${digits(after.value - before.value)} [${test.interval.map(digits).join(', ')}]`;
  }
  if (relative === undefined) return signed(Number((after.value - before.value).toPrecision(3)));
  const all = [relative, ...(test?.interval ?? [])].map((share) => share * 100);
  // As many decimals as show the change itself.
  const decimals = Math.min(Math.max(1 - Math.floor(Math.log10(Math.abs(all[0] as number))), 0), 6);
  const [change, ...ends] = all.map((percent) => `${percent > 0 ? '+' : ''}${percent.toFixed(decimals)}%`);
  return ends.length === 0 ? `${change}` : `${change} [${ends.join(', ')}]`;
}

/** Metric and unit. */
function metricName({ metric, unit }: MeasurementRecord): string {
  const shown = shownUnit(metric, unit);
  return shown === undefined ? metricTexts[metric].label : `${metricTexts[metric].label} (${shown})`;
}

/** For each metric the labels that tell its records apart, and always those of the text and the variant. */
function tellingLabels(changes: readonly Change[]): ReadonlyMap<Metric, readonly string[]> {
  const records = changes.map(({ after }) => after);
  const metrics = new Set(records.map(({ metric }) => metric));
  return new Map(
    [...metrics].map((metric) => {
      const own = records.filter((record) => record.metric === metric);
      const names = new Set(['dataset', 'split', 'variant', ...varyingLabels(own)]);
      names.delete('subject');
      return [metric, [...names]];
    }),
  );
}

/** A bare number says nothing without its label, as `threads 2` does. */
function describeLabels(record: MeasurementRecord, names: readonly string[]): string {
  const labels = labelsOf(record);
  const texts = names.flatMap((name) => {
    const value = labels.get(name);
    if (value === undefined) return [];
    return [/^[-\d.]+$|^(true|false)$/.test(value) ? `${labelTitle(name).toLowerCase()} ${value}` : value];
  });
  return texts.length === 0 ? 'the model' : texts.join(', ');
}

const shortRecord = (record: MeasurementRecord): string =>
  record.status === 'notRun' ? 'not run' : formatRecord(record);

const reasonText = ({ reason, adjustedPValue }: Change): string =>
  adjustedPValue === undefined || reason === 'equal'
    ? reason
    : `${reason}, p ${adjustedPValue < 0.001 ? '< 0.001' : `= ${adjustedPValue.toPrecision(2)}`}`;

const signed = (number: number): string => `${number > 0 ? '+' : ''}${number}`;
