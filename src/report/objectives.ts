import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import type { GateVerdict } from '../evaluation/gate.ts';
import { formatEnergy, phaseText } from './energy-table.ts';
import { asSentence, placeOf } from './labels.ts';
import { formatRecord, formatValue } from './number-text.ts';
import { sortRecords } from './record-kinds.ts';
import type { Report } from './report.ts';
import type { Cell, Table } from './table.ts';
import { reportVerdicts } from './verdicts.ts';

/** Something that the main job sets out to show, and what it found. */
export interface Objective {
  /** What it is about, e.g. `Compression`; objectives of one area are told together. */
  readonly area: string;
  readonly name: string;
  /** What must hold, in words. */
  readonly target: string;
  /** What was found, or why nothing was. */
  readonly result: string;
  readonly verdict: 'holds' | 'doesNotHold' | 'notRun';
  /** The result in few words, for the summary; absent where others say as much. */
  readonly short?: string;
  /** The record that decides. */
  readonly record?: MeasurementRecord;
}

/** No variant may raise perplexity by more, whatever its own bound. */
const outerBound = 0.2;

/** What an exported file may differ by in any runtime; `verifyExport` holds formats of higher precision to less. */
const exportTolerance = { logits: 1e-3, perplexity: 1e-4 } as const;

/** How much worse learning from feedback may leave texts that it is not about: that of the gate of candidates. */
const forgettingBound = 0.02;

const verdictTexts: Readonly<Record<Objective['verdict'], string>> = {
  holds: 'holds',
  doesNotHold: 'does not hold',
  notRun: 'not run',
};

/**
 * Every objective that the report has anything on, judged from its records, bounds and verdicts alone; and those of parts of
 * the job that failed or were left out.
 */
export function reportObjectives(report: Report): readonly Objective[] {
  const judged = judgedObjectives(report);
  const missing = (report.stages ?? []).flatMap(({ id, status, reason = 'No reason was given.' }): Objective[] => {
    const part = partObjectives.find(({ stage }) => stage.test(id));
    if (status === 'done' || part === undefined || judged.some(({ area }) => area === part.area)) return [];
    const { area, name, target } = part;
    return [{ area, name, target, result: asSentence(reason), verdict: 'notRun' }];
  });
  return [...judged, ...missing];
}

/** What parts of the job are to show, for where one has nothing to tell. */
const partObjectives = [
  {
    ...{ stage: /^exports$/, area: 'Exports equal to the model', name: 'Exports equal to the model' },
    target: 'the same logits and greedy tokens',
  },
  {
    ...{ stage: /^benchmark$/, area: 'Fastest pass in each runtime', name: 'Timed in runtimes' },
    target: 'a median with its interval',
  },
  {
    ...{ stage: /^drill\//, area: 'Learning from feedback, after by before', name: 'Learns from feedback' },
    target: 'the loss on held-out feedback falls',
  },
  {
    ...{ stage: /^server$/, area: 'Failed requests to the server', name: 'Server answers without failure' },
    target: 'no failed request',
  },
  {
    ...{ stage: /^energy$/, area: 'Energy', name: 'Energy stated with its method' },
    target: 'a measured number, or bounds and why',
  },
] as const;

function judgedObjectives(report: Report): readonly Objective[] {
  const { model, exports, speed, energy, server, adaptation } = sortRecords(report.records);
  return [
    ...qualityObjectives(model),
    ...compressionObjectives(reportVerdicts(report), model),
    ...exportObjectives(exports),
    ...speedObjectives(speed),
    ...adaptationObjectives(adaptation),
    ...serverObjectives(server),
    ...energyObjectives([...energy, ...model.filter(({ metric }) => metric === 'energy_j_per_token')]),
  ];
}

export function objectivesTable(objectives: readonly Objective[]): Table {
  return {
    caption: 'Objectives and results',
    columns: [
      { title: 'Objective', kind: 'label' },
      { title: 'Verdict', kind: 'text' },
      { title: 'Result', kind: 'text' },
      { title: 'Target', kind: 'text' },
    ],
    rows: objectives.map(({ name, target, result, verdict, record }): Cell[] => [
      { text: name },
      { text: verdictTexts[verdict], mark: verdict },
      { text: result, ...(record && { record }) },
      { text: target },
    ]),
  };
}

const isValue = (record: MeasurementRecord): record is ValueRecord => record.status !== 'notRun';

/** Bits per byte of the uncompressed model on each text, or of whatever form was measured. */
function qualityObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const all = records.filter(({ metric }) => metric === 'bits_per_byte');
  const plain = all.filter(({ conditions: { variant } }) => variant === undefined || variant === 'fp32');
  return (plain.length > 0 ? plain : all).map((record): Objective => {
    const about = {
      area: 'Bits per byte of real texts',
      name: `Quality measured on ${placeOf(record)}`,
      target: 'a number with its interval',
      record,
    };
    if (!isValue(record)) return { ...about, result: asSentence(record.reason), verdict: 'notRun' };
    const result = `${formatRecord(record)} bits per byte`;
    const short = `${formatRecord(record)} on ${placeOf(record)}`;
    return { ...about, result, short, verdict: record.interval === undefined ? 'doesNotHold' : 'holds' };
  });
}

function compressionObjectives(verdicts: readonly GateVerdict[], records: readonly MeasurementRecord[]): Objective[] {
  const variants = [...new Set(verdicts.map(({ variant }) => variant))];
  const judged = (own: readonly GateVerdict[], name: string, bound: number | undefined): Objective => {
    const target = `perplexity rises by less than ${bound === undefined ? 'its bound' : percent(bound)} on every text`;
    const within = ({ interval, finding }: GateVerdict): boolean =>
      finding !== 'unjudged' && interval !== undefined && bound !== undefined && interval[1] < 1 + bound;
    const unjudged = own.find(({ finding }) => finding === 'unjudged');
    const worst = own.reduce((a, b) => ((b.interval?.[1] ?? b.ratio ?? 0) > (a.interval?.[1] ?? a.ratio ?? 0) ? b : a));
    const record = records.find(
      ({ metric, conditions, subject }) =>
        metric === 'perplexity_ratio' &&
        subject === worst.subject &&
        conditions.variant === worst.variant &&
        conditions.dataset === worst.dataset &&
        conditions.split === worst.split,
    );
    const found =
      record !== undefined && isValue(record)
        ? `at most ${formatValue(record)} times that of FP32 (${[...(variants.length > 1 && name === outerName ? [worst.variant] : []), placeOf(record)].join(', ')})`
        : 'nothing was compared';
    const short =
      record !== undefined && isValue(record) && name !== outerName && bound !== undefined
        ? { short: `${worst.variant} at most ${formatValue(record)} (may rise by less than ${percent(bound)})` }
        : {};
    const rest = { area: 'Perplexity relative to FP32', name, target, ...short, ...(record && { record }) };
    if (own.every(within)) return { ...rest, result: found, verdict: 'holds' };
    if (own.every((one) => within(one) || one.finding === 'unjudged')) {
      return { ...rest, result: asSentence(unjudged?.sentence ?? found), verdict: 'notRun' };
    }
    return { ...rest, result: found, verdict: 'doesNotHold' };
  };
  const each = variants.map((variant) => {
    const own = verdicts.filter((verdict) => verdict.variant === variant);
    return judged(own, `Quality kept by ${variant}`, own[0]?.bound);
  });
  return each.length === 0 ? [] : [...each, judged(verdicts, outerName, outerBound)];
}

const outerName = 'Quality kept by every variant';

function exportObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const runtimes = [...new Set(records.map(({ conditions }) => String(conditions.runtime)))];
  const target = `logits within ${exportTolerance.logits}, perplexity within ${percent(exportTolerance.perplexity)}, the same greedy tokens`;
  return runtimes.map((runtime): Objective => {
    const own = records.filter(({ conditions }) => conditions.runtime === runtime);
    const [area, name] = ['Exports equal to the model', `Export equal to the model in ${runtime}`];
    const values = own.filter(isValue);
    const absent = own.find((record) => !isValue(record));
    const failing = values.filter((record) => !isWithinTolerance(record));
    if (absent?.status === 'notRun' && failing.length === 0) {
      return { area, name, target, result: asSentence(absent.reason), verdict: 'notRun', record: absent };
    }
    const logits = values.filter(({ metric }) => metric === 'max_abs_difference');
    const worst = logits.length === 0 ? undefined : logits.reduce((a, b) => (b.value > a.value ? b : a));
    const result =
      failing[0] === undefined
        ? `${worst === undefined ? '' : `greatest difference of logits ${formatValue(worst)}; `}${values.length} comparisons`
        : `${failing.length} of ${values.length} comparisons differ by more`;
    const record = failing[0] ?? worst ?? values[0];
    const verdict = failing.length > 0 ? 'doesNotHold' : 'holds';
    return { area, name, target, result, short: runtime, verdict, ...(record && { record }) };
  });
}

function isWithinTolerance({ metric, value }: ValueRecord): boolean {
  if (metric === 'max_abs_difference') return value <= exportTolerance.logits;
  if (metric === 'perplexity_ratio') return Math.abs(value - 1) <= exportTolerance.perplexity;
  return value === 1;
}

function speedObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const runtimes = [...new Set(records.flatMap(({ conditions }) => conditions.runtime ?? []))];
  return runtimes.map((runtime): Objective => {
    const own = records.filter(({ metric, conditions }) => metric === 'latency_ms' && conditions.runtime === runtime);
    const passes = own.filter(
      (record): record is ValueRecord => isValue(record) && record.conditions['statistic'] === undefined,
    );
    const target = 'a median with its interval';
    const about = { area: 'Fastest pass in each runtime', name: `Timed in ${runtime}`, target };
    const absent = own.find((record) => !isValue(record));
    if (passes[0] === undefined || absent !== undefined) {
      const result = absent?.status === 'notRun' ? asSentence(absent.reason) : 'No pass was timed.';
      return { ...about, result, verdict: 'notRun', ...(absent && { record: absent }) };
    }
    const fastest = passes.reduce((a, b) => (b.value < a.value ? b : a));
    const { sequenceLength, variant } = fastest.conditions;
    const result = `fastest pass over ${sequenceLength} tokens: ${formatValue(fastest)} ms (${variant})`;
    const verdict = passes.every(({ interval }) => interval !== undefined) ? 'holds' : 'doesNotHold';
    const short = `${runtime} ${formatValue(fastest)} ms`;
    return { ...about, result, short, verdict, record: fastest };
  });
}

function adaptationObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const scenarios = [...new Set(records.map(({ conditions }) => String(conditions['scenario'])))];
  const judge = (record: MeasurementRecord, name: string, target: string, bound: number, unit: string): Objective => {
    const about = { area: 'Learning from feedback, after by before', name, target, record };
    if (!isValue(record)) return { ...about, result: asSentence(record.reason), verdict: 'notRun' };
    const isLess = record.interval !== undefined && record.interval[1] < bound;
    const [result, text] = [`${formatValue(record)} times ${unit}`, `bits per byte of ${placeOf(record)}`];
    const what = record.metric === 'wanted_nats_ratio' ? 'loss on held-out feedback' : text;
    const short = `${what} ${formatValue(record)}`;
    return { ...about, result, short, verdict: isLess ? 'holds' : 'doesNotHold' };
  };
  return scenarios.flatMap((scenario) => {
    const own = records.filter(({ conditions }) => String(conditions['scenario']) === scenario);
    return [
      ...own
        .filter(({ metric }) => metric === 'wanted_nats_ratio')
        .map((record) =>
          judge(record, `Learns from feedback (${scenario})`, 'the loss on held-out feedback falls', 1, 'that before'),
        ),
      ...own
        .filter(({ metric }) => metric === 'bits_per_byte_ratio')
        .map((record) => {
          const name = `Forgets little of ${placeOf(record)} (${scenario})`;
          const target = `bits per byte rise by less than ${percent(forgettingBound)}`;
          return judge(record, name, target, 1 + forgettingBound, 'those of the base model');
        }),
    ];
  });
}

function serverObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const failed = records.filter(({ metric }) => metric === 'failed_requests');
  if (failed.length === 0) return [];
  const about = {
    area: 'Failed requests to the server',
    name: 'Server answers without failure',
    target: 'no failed request',
  };
  const values = failed.filter(isValue);
  const [absent] = failed.filter((record) => !isValue(record));
  const worst = values.length === 0 ? undefined : values.reduce((a, b) => (b.value > a.value ? b : a));
  if (absent?.status === 'notRun' && !(worst && worst.value > 0)) {
    return [{ ...about, result: asSentence(absent.reason), verdict: 'notRun', record: absent }];
  }
  if (worst === undefined) return [];
  const clients = Math.max(...values.map(({ conditions }) => Number(conditions['concurrency'])));
  const result =
    worst.value === 0
      ? `none failed, with up to ${clients} clients at a time`
      : `${formatValue(worst)} failed with ${worst.conditions['concurrency']} clients at a time`;
  return [{ ...about, result, short: result, verdict: worst.value === 0 ? 'holds' : 'doesNotHold', record: worst }];
}

function energyObjectives(records: readonly MeasurementRecord[]): Objective[] {
  const drawn = records.filter(({ metric }) => metric === 'energy_j_per_token' || metric === 'energy_j_per_inference');
  const [first] = drawn.filter(isValue);
  const [absent] = drawn.filter((record) => !isValue(record));
  const about = {
    area: 'Energy',
    name: 'Energy stated with its method',
    target: 'a measured number, or bounds and why',
  };
  if (first !== undefined) {
    const meter = first.conditions['meter'];
    const how = first.status === 'measured' ? `measured${meter === undefined ? '' : ` by ${meter}`}` : 'estimated';
    const { variant } = first.conditions;
    const work = first.conditions['phase'] === undefined ? '' : `, ${phaseText(first)}`;
    const result = `${how}: ${formatEnergy(first)} m${first.unit}${variant === undefined ? '' : ` (${variant}${work})`}`;
    return [{ ...about, result, short: result, verdict: 'holds', record: first }];
  }
  if (absent?.status !== 'notRun') return [];
  return [{ ...about, result: asSentence(absent.reason), verdict: 'notRun', record: absent }];
}

const percent = (share: number): string => `${Number((share * 100).toPrecision(12))}%`;
