import type { MeasurementRecord, NotRunRecord, ValueRecord } from '../core/measurement.ts';
import { asSentence, joined } from './labels.ts';
import { formatValue, metricTexts } from './number-text.ts';
import { type Objective, reportObjectives } from './objectives.ts';
import { sortRecords } from './record-kinds.ts';
import type { Report, ReportStage } from './report.ts';
import { labelsOf } from './table.ts';

/** Measurements that could not be made, for one reason. */
export interface Omission {
  /** Which, e.g. `Bits per byte, Word perplexity (wikitext-2, test)`. */
  readonly what: string;
  readonly reason: string;
  /** How to provide what was missing, where the reason does not say so itself. */
  readonly provide?: string;
}

/** The report in plain sentences. */
export interface Summary {
  /** How many objectives there are, and what came of them. */
  readonly outcome: string;
  readonly tested: readonly string[];
  readonly holds: readonly string[];
  readonly doesNotHold: readonly string[];
  readonly notRun: readonly Omission[];
}

const provideDataset =
  'Put the files of this dataset into a folder and name the folder with --data-dir or ITERA_DATA_DIR, or let this ' +
  'machine reach the network once.';

/** Says what was tested, what holds, what does not, and what was not run, from nothing but the report's own data. */
export function summarize(report: Report): Summary {
  const values = report.records.filter((record): record is ValueRecord => record.status !== 'notRun');
  const objectives = reportObjectives(report);
  const of = (verdict: Objective['verdict']) => objectives.filter((objective) => objective.verdict === verdict);
  const holds = [
    ...areaSentences(of('holds')),
    // With bounds the variants are judged, and stand among the objectives.
    ...(report.bounds ? [] : compressionSentences(sortRecords(values).model as readonly ValueRecord[])),
  ];
  const count = objectives.length;
  const hasFailed = (report.failures ?? []).length > 0 || stagesOf(report, 'failed').length > 0;
  const counts = (['holds', 'doesNotHold', 'notRun'] as const).map((verdict) => of(verdict).length);
  return {
    outcome:
      objectives.length === 0
        ? 'Nothing can be said yet: nothing was measured that an objective asks for.'
        : counts[0] === objectives.length
          ? `${count === 1 ? 'The one objective holds' : `All ${count} objectives hold`}${hasFailed ? ', but something else failed: see what does not hold' : ''}.`
          : `Of ${count} objectives ${counts[0]} hold, ${counts[1]} do not, and ${counts[2]} were not run or could not be judged.`,
    tested: testedSentences(report, values),
    holds,
    doesNotHold: [
      ...of('doesNotHold').map(sentenceOf),
      ...(report.failures ?? []),
      ...stagesOf(report, 'failed')
        .filter(({ reason }) => !(report.failures ?? []).some((failure) => failure.includes(reason)))
        .map(({ what, reason }) => `${what} failed: ${reason}`),
    ],
    notRun: [...stagesOf(report, 'notRun'), ...omissions(report)],
  };
}

/** What holds, in a sentence for each area. */
function areaSentences(objectives: readonly Objective[]): string[] {
  const areas = distinct(objectives.map(({ area }) => area));
  return areas.map((area) => {
    const shorts = objectives.flatMap((objective) => (objective.area === area ? (objective.short ?? []) : []));
    return asSentence(shorts.length === 0 ? area : `${area}: ${shorts.join('; ')}`);
  });
}

const sentenceOf = ({ name, result, target }: Objective): string => `${name}: ${result} (target: ${target}).`;

/** What failed or was not run as a whole. */
export function stagesOf({ stages = [] }: Pick<Report, 'stages'>, status: ReportStage['status']): Omission[] {
  return stages
    .filter((stage) => stage.status === status)
    .map(({ name, reason = 'no reason was given' }) => ({
      what: name.charAt(0).toUpperCase() + name.slice(1),
      reason: asSentence(reason),
    }));
}

function testedSentences({ model, records }: Report, values: readonly ValueRecord[]): string[] {
  const { parameters, activeParameters, parametersWithoutEmbedding } = model;
  const number = (value: number) => formatValue({ value });
  const counts = [
    ...(parameters === undefined ? [] : [`${number(parameters)} parameters in all`]),
    ...(activeParameters === undefined ? [] : [`${number(activeParameters)} used for each token`]),
    ...(parametersWithoutEmbedding === undefined
      ? []
      : [`${number(parametersWithoutEmbedding)} without the embedding`]),
  ];
  const texts = distinct(values.map(({ conditions: { dataset, split } }) => joined([dataset, split], ', ')));
  const variants = distinct(values.map(({ conditions }) => conditions.variant ?? ''));
  const count = (status: MeasurementRecord['status']) => records.filter((record) => record.status === status).length;
  return [
    model.description === '' ? `The model ${model.name}.` : `The model ${model.name}: ${model.description}`,
    ...(counts.length === 0 ? [] : [`It has ${counts.join('; ')}.`]),
    ...(texts.length === 0 ? [] : [`Texts: ${texts.join('; ')}.`]),
    ...(variants.length === 0 ? [] : [`Variants: ${variants.join(', ')}.`]),
    `Numbers: ${count('measured')} measured, ${count('estimated')} estimated, ${count('notRun')} not run.`,
  ];
}

/** For each model and variant, where it departs most from FP32. */
function compressionSentences(values: readonly ValueRecord[]): string[] {
  const worst = new Map<string, ValueRecord>();
  for (const record of values) {
    if (record.metric !== 'perplexity_ratio' || [undefined, 'fp32'].includes(record.conditions.variant)) continue;
    const name = joined([labelsOf(record).get('model'), record.conditions.variant], ', ');
    const known = worst.get(name);
    if (known === undefined || record.value > known.value) worst.set(name, record);
  }
  return [...worst].map(([name, record]) => {
    const place = joined([record.conditions.dataset, record.conditions.split], ', ');
    const at = place === '' ? '' : ` (greatest on ${place})`;
    return `${name}: perplexity is ${formatValue(record)} times that of FP32 on the same tokens${at}.`;
  });
}

/** Records that were not made, grouped by reason; what a stage as a whole says of itself is not repeated. */
function omissions({ records, stages = [] }: Report): Omission[] {
  const told = new Set(stages.flatMap(({ status, reason }) => (status === 'done' ? [] : (reason ?? []))));
  const missing = records.filter(
    (record): record is NotRunRecord => record.status === 'notRun' && !told.has(record.reason),
  );
  const available = new Set(
    records.flatMap((record) => (record.status === 'notRun' ? [] : [record.conditions.dataset])),
  );
  const groups = new Map<string, NotRunRecord[]>();
  for (const record of missing) {
    const { dataset, split, variant } = record.conditions;
    const key = JSON.stringify([record.reason, labelsOf(record).get('model'), dataset, split, variant]);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].map((group) => {
    const { conditions, reason } = group[0] as NotRunRecord;
    const { dataset, split, variant } = conditions;
    // Where a meter is missing there is an estimate of the same.
    const byMeter = conditions['meter'] === undefined ? undefined : 'by a meter';
    const place = joined([labelsOf(group[0] as NotRunRecord).get('model'), variant, dataset, split, byMeter], ', ');
    const what = distinct(group.map(({ metric }) => metricTexts[metric].label)).join(', ');
    // Only a dataset without a single number is likely to be absent, rather than something else in its way.
    const absent = dataset !== undefined && !available.has(dataset) && !/data-dir|DATA_DIR/.test(reason);
    return { what: `${what} (${place})`, reason: asSentence(reason), ...(absent ? { provide: provideDataset } : {}) };
  });
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].filter((text) => text !== '');
}
