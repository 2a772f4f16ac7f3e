import type { MeasurementRecord, NotRunRecord, ValueRecord } from '../core/measurement.ts';
import { formatValue, metricTexts } from './number-text.ts';
import { sortRecords } from './record-kinds.ts';
import type { Report } from './report.ts';
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
  readonly tested: readonly string[];
  readonly holds: readonly string[];
  readonly notRun: readonly Omission[];
}

const provideDataset =
  'Put the files of this dataset into a folder and name the folder with --data-dir or ITERA_DATA_DIR, or let this ' +
  'machine reach the network once.';

/** Says what was tested, what holds, and what was not run, from nothing but the report's own data. */
export function summarize(report: Report): Summary {
  const values = report.records.filter((record): record is ValueRecord => record.status !== 'notRun');
  const ofModel = sortRecords(values).model as readonly ValueRecord[];
  const holds = [
    ...(report.failures ?? []).map((failure) => `FAILED: ${failure}`),
    ...(report.findings ?? []),
    ...qualitySentences(ofModel),
    ...compressionSentences(ofModel),
  ];
  return {
    tested: testedSentences(report, values),
    holds:
      holds.length === 0 ? ['Nothing can be said yet: the report has no findings and no quality was measured.'] : holds,
    notRun: omissions(report.records),
  };
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

/** Bits per byte of the uncompressed models, or of all where no record is of such a one. */
function qualitySentences(values: readonly ValueRecord[]): string[] {
  const all = values.filter(({ metric }) => metric === 'bits_per_byte');
  const uncompressed = all.filter(({ conditions: { variant } }) => variant === undefined || variant === 'fp32');
  return (uncompressed.length > 0 ? uncompressed : all).map((record) => {
    const { confidence, conditions, interval, n } = record;
    const place = joined([conditions.dataset, conditions.split], ', ');
    const model = joined([labelsOf(record).get('model'), conditions.variant], ', ');
    const certainty =
      interval === undefined || confidence === undefined
        ? ''
        : `${formatValue({ value: confidence * 100 })}% interval; `;
    return `${place === '' ? '' : `On ${place}: `}${model} needs ${formatValue(record)} bits for each byte of text (${certainty}n = ${n}).`;
  });
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

function omissions(records: readonly MeasurementRecord[]): Omission[] {
  const missing = records.filter((record): record is NotRunRecord => record.status === 'notRun');
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
    const place = joined([labelsOf(group[0] as NotRunRecord).get('model'), variant, dataset, split], ', ');
    const what = distinct(group.map(({ metric }) => metricTexts[metric].label)).join(', ');
    // Only a dataset without a single number is likely to be absent, rather than something else in its way.
    const absent = dataset !== undefined && !available.has(dataset) && !/data-dir|DATA_DIR/.test(reason);
    return { what: `${what} (${place})`, reason: asSentence(reason), ...(absent ? { provide: provideDataset } : {}) };
  });
}

function joined(parts: readonly (string | undefined)[], separator: string): string {
  return parts.filter((part) => part !== undefined && part !== '').join(separator);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].filter((text) => text !== '');
}

function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
