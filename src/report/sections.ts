import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, Metric } from '../core/measurement.ts';
import { adaptationCharts, adaptationTable } from './adaptation-table.ts';
import { speedCharts } from './benchmark-chart.ts';
import { benchmarkTables } from './benchmark-table.ts';
import { curveTable } from './curve-table.ts';
import { energyCharts } from './energy-chart.ts';
import { energyTables } from './energy-table.ts';
import { exportTable } from './export-table.ts';
import { objectivesTable, reportObjectives } from './objectives.ts';
import { type RecordKinds, sortRecords } from './record-kinds.ts';
import type { Report } from './report.ts';
import { curveCharts, metricChart, type ReportChart } from './report-charts.ts';
import { serverCharts, serverTable } from './server-table.ts';
import { metricTable, summaryTable, type Table } from './table.ts';
import { variantCharts, variantTable } from './variants.ts';
import { reportVerdicts } from './verdicts.ts';

/** A part of the results: what it is about in plain words, then its tables and charts. */
export interface Section {
  /** Anchor of its heading. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly tables: readonly Table[];
  readonly charts: readonly ReportChart[];
}

/** Pages and files of one report share its charts. */
const known = new WeakMap<Report, readonly Section[]>();

/** The results in reading order; parts without records are left out. */
export function reportSections(report: Report): readonly Section[] {
  const sections = known.get(report) ?? planSections(report);
  known.set(report, sections);
  return sections;
}

function planSections(report: Report): readonly Section[] {
  const kinds = sortRecords(report.records);
  return [
    objectivesSection(report),
    validationSection(kinds.model),
    compressionSection(report, kinds.model),
    runtimesSection(kinds),
    adaptationSection(kinds.adaptation),
    serverSection(kinds.server),
    energySection(kinds),
    trainingSection(report),
  ].filter(({ tables, charts }) => tables.some(({ rows }) => rows.length > 0) || charts.length > 0);
}

/** All charts of a report, in their order. */
export function reportCharts(report: Report): ReportChart[] {
  return reportSections(report).flatMap(({ charts }) => charts);
}

function objectivesSection(report: Report): Section {
  return {
    id: 'objectives',
    title: 'Objectives and results',
    text:
      'What the run set out to show, and what it found. Each verdict follows from the numbers beside it: where a number has an ' +
      'interval, its unfavourable end must meet the target.',
    tables: [objectivesTable(reportObjectives(report))],
    charts: [],
  };
}

function validationSection(records: readonly MeasurementRecord[]): Section {
  const quality: readonly Metric[] = ['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token'];
  const own = records.filter(({ metric }) => quality.includes(metric));
  const plain = own.filter(({ conditions: { variant } }) => variant === undefined || variant === 'fp32');
  const severalForms = plain.length > 0 && plain.length < own.length;
  return {
    id: 'validation',
    title: 'Real-world validation',
    text:
      'How well the model predicts real texts. Bits per byte and word perplexity can be compared between models with ' +
      'different tokenizers; token perplexity and nats per token cannot. Brackets hold the confidence interval.',
    tables: own.length === 0 ? [] : [summaryTable(own)],
    charts: drawable(() =>
      drawn([
        metricChart('bits_per_byte', plain.length > 0 ? plain : own),
        ...(severalForms ? [metricChart('word_perplexity', own)] : []),
      ]),
    ),
  };
}

function compressionSection(report: Report, records: readonly MeasurementRecord[]): Section {
  const comparisons: readonly Metric[] = [
    'perplexity_ratio',
    'kl_divergence_nats',
    'top1_agreement',
    'max_abs_difference',
  ];
  const judged = report.bounds !== undefined;
  // The table of variants has their sizes.
  const sizes: readonly Metric[] = [...(judged ? [] : ['size_bytes' as const]), 'parameters', 'active_parameters'];
  const tables = judged
    ? [variantTable(records, reportVerdicts(report))]
    : [metricTable('Compressed variants', records, { metrics: comparisons })];
  const ratios = drawable(() => (judged ? variantCharts(records) : drawn([metricChart('perplexity_ratio', records)])));
  return {
    id: 'compression',
    title: 'Compression',
    text:
      'How far each compressed variant departs from the uncompressed model (FP32) on the same tokens, and what it saves. A ' +
      'ratio of 1, a divergence of 0 and an agreement of 1 would be no change at all. A variant passes its gate if the ' +
      'upper end of the interval of its ratio is within what it is allowed.',
    tables: [...tables, metricTable(judged ? 'Parameters' : 'Sizes', records, { metrics: sizes })].filter(
      ({ rows }) => rows.length > 0,
    ),
    charts: [
      ...ratios,
      ...(ratios.length > 0 && judged ? [] : drawable(() => drawn([metricChart('size_bytes', records)]))),
    ],
  };
}

function runtimesSection({ exports, speed, model }: RecordKinds): Section {
  const plain: readonly Metric[] = ['latency_ms', 'tokens_per_second', 'time_to_first_token_ms', 'load_ms'];
  const ofModel = metricTable('Speed of the model', model, { metrics: plain });
  return {
    id: 'runtimes',
    title: 'Export and runtimes',
    text:
      'Whether exported files compute in other runtimes what the model computes as plain loops in float64: the greatest ' +
      'difference of logits, the perplexity of a text over that of the reference, and the share of greedy tokens that are ' +
      'the same. Then how fast each runtime is on the machine described under Provenance, each in a process of its own, in ' +
      'turns; brackets hold an interval of a median, of at least 95% where there were 6 rounds or more.',
    tables: [
      ...(exports.length === 0 ? [] : [exportTable(exports)]),
      ...(speed.length === 0 ? [] : benchmarkTables(speed)),
      ...(ofModel.rows.length === 0 ? [] : [ofModel]),
    ],
    charts: [
      ...drawable(() => speedCharts(speed)),
      ...drawable(() => drawn([metricChart('latency_ms', model), metricChart('tokens_per_second', model)])),
    ],
  };
}

function adaptationSection(records: readonly MeasurementRecord[]): Section {
  return {
    id: 'adaptation',
    title: 'Adaptive learning',
    text:
      'What learning from feedback changed, in a drill on feedback that comes with the package: on feedback that was held ' +
      'out, on texts that must not get worse, and in time. Brackets hold the 95% interval.',
    tables: records.length === 0 ? [] : [adaptationTable(records)],
    charts: drawable(() => adaptationCharts(records)),
  };
}

function serverSection(records: readonly MeasurementRecord[]): Section {
  return {
    id: 'server',
    title: 'Inference server',
    text:
      'How fast the model answers over HTTP, by the number of clients that ask at the same time. Brackets hold the 95% interval ' +
      'of a median.',
    tables: records.length === 0 ? [] : [serverTable(records)],
    charts: drawable(() => serverCharts(records)),
  };
}

function energySection({ energy, model }: RecordKinds): Section {
  const plain = metricTable('Energy', model, { metrics: ['energy_j_per_token', 'tokens_per_joule'] });
  return {
    id: 'energy',
    title: 'Power and efficiency',
    text:
      'What the work draws over the idle level on the machine described under Provenance: read from a meter, or, where there ' +
      'is none, as bounds that follow from CPU time; the records say how, and why no meter could be used. Measured numbers, ' +
      'estimates and projections never share a table.',
    tables: [...energyTables(energy), ...(plain.rows.length === 0 ? [] : [plain])],
    charts: [
      ...drawable(() => energyCharts(energy)),
      ...drawable(() => drawn([metricChart('energy_j_per_token', model)])),
    ],
  };
}

function trainingSection({ curves = [] }: Report): Section {
  return {
    id: 'training',
    title: 'Training',
    text: 'How the values changed over the steps of training.',
    tables: [curveTable(curves)],
    charts: drawable(() => curveCharts(curves)),
  };
}

const drawn = (charts: readonly (ReportChart | undefined)[]): ReportChart[] =>
  charts.filter((chart) => chart !== undefined);

/** Charts, or none where a number is such that no axis can hold it: the tables still show it. */
function drawable(draw: () => readonly ReportChart[]): readonly ReportChart[] {
  try {
    return draw();
  } catch (error) {
    if (error instanceof IteraError && error.code === 'INVALID_ARGUMENT') return [];
    throw error;
  }
}
