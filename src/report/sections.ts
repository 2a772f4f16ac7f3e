import type { MeasurementRecord, Metric } from '../core/measurement.ts';
import { adaptationChart, adaptationTable } from './adaptation-table.ts';
import { benchmarkChart } from './benchmark-chart.ts';
import { benchmarkTables } from './benchmark-table.ts';
import { energyCharts } from './energy-chart.ts';
import { energyTables } from './energy-table.ts';
import { exportTable } from './export-table.ts';
import { sortRecords } from './record-kinds.ts';
import type { Report } from './report.ts';
import { curveCharts, metricChart, type ReportChart } from './report-charts.ts';
import { serverTable } from './server-table.ts';
import { metricTable, summaryTable, type Table } from './table.ts';
import { variantCharts, variantTable } from './variants.ts';
import { reportVerdicts } from './verdicts.ts';

/** A part of the results: what it is about in plain words, its table and its charts. */
export interface Section {
  readonly title: string;
  readonly text: string;
  readonly table?: Table;
  readonly charts: readonly ReportChart[];
}

interface SectionPlan {
  readonly title: string;
  readonly text: string;
  readonly metrics: readonly Metric[];
  /** Metrics that a chart helps to compare. */
  readonly drawn: readonly Metric[];
}

const quality: SectionPlan = {
  title: 'Quality',
  text:
    'How well the model predicts the text. Bits per byte and word perplexity can be compared between models with ' +
    'different tokenizers; token perplexity and nats per token cannot. Brackets hold the confidence interval.',
  metrics: ['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token'],
  drawn: ['bits_per_byte'],
};

const compression: SectionPlan = {
  title: 'Compression',
  text:
    'How far each compressed variant departs from the uncompressed model (FP32) on the same tokens. A ratio of 1, a ' +
    'divergence of 0 and an agreement of 1 would be no change at all. A variant passes its gate if the upper end of ' +
    'the interval of its ratio is within what it is allowed.',
  metrics: ['perplexity_ratio', 'kl_divergence_nats', 'top1_agreement', 'max_abs_difference'],
  drawn: ['perplexity_ratio'],
};

const others: readonly SectionPlan[] = [
  compression,
  {
    title: 'Size',
    text: 'How large the model is: on disk, in numbers learned, and in numbers that one token uses.',
    metrics: ['size_bytes', 'parameters', 'active_parameters'],
    drawn: ['size_bytes'],
  },
  {
    title: 'Speed and memory',
    text: 'How fast the model runs on the machine described under Provenance, and what memory that takes.',
    metrics: ['latency_ms', 'tokens_per_second', 'time_to_first_token_ms', 'load_ms', 'memory_bytes'],
    drawn: ['latency_ms', 'tokens_per_second'],
  },
  {
    title: 'Energy',
    text: 'What energy the model draws over the idle level. Estimates are marked; the records name their method.',
    metrics: ['energy_j_per_token', 'tokens_per_joule'],
    drawn: ['energy_j_per_token'],
  },
];

/** The results in reading order; parts without records are left out. */
export function reportSections(report: Report): Section[] {
  const { model: records, exports, speed, energy, server, adaptation } = sortRecords(report.records);
  const ofModel = { ...report, records };
  const planned: Section[] = [quality, ...others]
    .filter(({ metrics }) => records.some(({ metric }) => metrics.includes(metric)))
    .map((plan) => ({
      title: plan.title,
      text: plan.text,
      table: planTable(plan, ofModel),
      charts: plan === compression && report.bounds ? variantCharts(records) : drawnCharts(plan, records),
    }));
  const sections = [
    ...planned,
    ...exportSections(exports),
    ...speedSections(speed),
    ...energySections(energy),
    ...serverSections(server),
    ...adaptationSections(adaptation),
  ];
  const training = curveCharts(report.curves ?? []);
  return training.length === 0
    ? sections
    : [
        ...sections,
        { title: 'Training', text: 'How the values changed over the steps of training.', charts: training },
      ];
}

function exportSections(records: readonly MeasurementRecord[]): Section[] {
  if (records.length === 0) return [];
  const text =
    'What other runtimes make of the exported files, against the model as plain loops in float64: the greatest ' +
    'difference of logits, the perplexity of a text over that of the reference, and the share of greedy tokens that ' +
    'are the same.';
  return [{ title: 'Exports', text, table: exportTable(records), charts: [] }];
}

function adaptationSections(records: readonly MeasurementRecord[]): Section[] {
  if (records.length === 0) return [];
  const text =
    'What learning from feedback changed, in a drill on feedback that comes with the package: on feedback that was held ' +
    'out, on texts that must not get worse, and in time. Brackets hold the 95% interval.';
  const svg = adaptationChart(records);
  const charts = svg === undefined ? [] : [{ name: 'adaptation', title: 'After adaptation by before', svg }];
  return [{ title: 'Adaptation', text, table: adaptationTable(records), charts }];
}

function speedSections(records: readonly MeasurementRecord[]): Section[] {
  if (records.length === 0) return [];
  const text =
    'How fast the model runs on the machine described under Provenance: every runtime in a process of its own, in turns. ' +
    'Brackets hold the 95% interval of a median.';
  const hasPasses = records.some(({ status, conditions }) => status === 'measured' && conditions.runtime !== undefined);
  const title = 'Speed in several runtimes';
  const chart = hasPasses ? [{ name: 'runtimes', title, svg: benchmarkChart(records) }] : [];
  return benchmarkTables(records).map((table, index) => ({
    title: table.caption,
    text: index === 0 ? text : table.caption,
    table,
    charts: index === 0 ? chart : [],
  }));
}

function energySections(records: readonly MeasurementRecord[]): Section[] {
  const text =
    'What the work draws over the idle level on the machine described under Provenance: read from a meter, or, where there ' +
    'is none, as bounds that follow from CPU time; the records say how, and why no meter could be used. Measured numbers, ' +
    'estimates and projections never share a table.';
  const charts = energyCharts(records);
  return energyTables(records).map((table, index) => ({
    title: table.caption,
    text: index === 0 ? text : (table.note ?? ''),
    table,
    charts: index === 0 ? charts : [],
  }));
}

function serverSections(records: readonly MeasurementRecord[]): Section[] {
  if (records.length === 0) return [];
  const text =
    'How fast the model answers over HTTP, by the number of clients that ask at the same time. Brackets hold the 95% interval ' +
    'of a median.';
  return [{ title: 'Server', text, table: serverTable(records), charts: [] }];
}

function planTable(plan: SectionPlan, report: Report): Table {
  if (plan === quality) return summaryTable(report.records);
  // With bounds there is a gate, whose verdicts stand beside sizes and ratios.
  if (plan === compression && report.bounds) return variantTable(report.records, reportVerdicts(report));
  return metricTable(plan.title, report.records, plan);
}

function drawnCharts({ drawn }: SectionPlan, records: readonly MeasurementRecord[]): ReportChart[] {
  return drawn.map((metric) => metricChart(metric, records)).filter((chart) => chart !== undefined);
}
