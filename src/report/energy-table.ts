import { type MeasurementRecord, type Metric, recordId, type ValueRecord } from '../core/measurement.ts';
import { formatRecord, formatValue } from './number-text.ts';
import type { Cell, Column, Table } from './table.ts';

const phaseTexts: Readonly<Record<string, string>> = {
  prefill: 'reading a prompt',
  decode: 'generating',
  inference: 'one inference',
  training: 'training',
};

/** What one does in a phase, in words. */
export const phaseText = (record: MeasurementRecord): string => {
  const phase = String(record.conditions['phase'] ?? '–');
  return Object.hasOwn(phaseTexts, phase) ? (phaseTexts[phase] as string) : phase;
};

/** A column for each that occurs. Energies are in mJ: those of small models have too many zeros in joules. */
const energyColumns: readonly {
  readonly metric: Metric;
  readonly title: string;
  readonly better?: 'lower' | 'higher';
}[] = [
  { metric: 'energy_j_per_token', title: 'mJ per token', better: 'lower' },
  { metric: 'energy_j_per_inference', title: 'mJ per inference', better: 'lower' },
  { metric: 'energy_j_per_step', title: 'mJ per step', better: 'lower' },
  { metric: 'energy_ratio', title: 'Relative to FP32', better: 'lower' },
  { metric: 'tokens_per_joule', title: 'Tokens per joule', better: 'higher' },
  { metric: 'power_w', title: 'W over idle' },
  { metric: 'energy_delay_js', title: 'mJ·s', better: 'lower' },
  { metric: 'carbon_g_per_million_tokens', title: 'g CO2e per million tokens', better: 'lower' },
];

/** Units of which a thousandth is shown. */
const inThousandths: readonly string[] = ['J/token', 'J/inference', 'J/step', 'J·s'];

/**
 * What work draws: a row for each phase, variant, number of threads and batch. Measured numbers, estimates and projections
 * each have a table of their own.
 *
 * @param records - From `measureEnergy` and `projectEnergy`.
 */
export function energyTables(records: readonly MeasurementRecord[]): readonly Table[] {
  const values = records.filter((record): record is ValueRecord => record.status !== 'notRun');
  const ofWork = values.filter(({ conditions }) => conditions['meter'] !== undefined);
  const tables = (['measured', 'estimated'] as const).flatMap((status) => {
    const own = ofWork.filter((record) => record.status === status);
    return own.length === 0 ? [] : [workTable(own, status)];
  });
  const projected = values.filter(({ metric }) => metric === 'projected_energy_j_per_token');
  return projected.length === 0 ? tables : [...tables, projectionTable(projected)];
}

function workTable(records: readonly ValueRecord[], status: 'measured' | 'estimated'): Table {
  const rows = groupByWork(records);
  const columns = energyColumns.filter(({ metric }) => records.some((record) => record.metric === metric));
  const labels = ['threads', 'batch'] as const;
  const varying = labels.filter((name) => new Set(records.map(({ conditions }) => conditions[name])).size > 1);
  const meters = [...new Set(records.map(({ conditions }) => String(conditions['meter'])))].join(', ');
  return {
    caption: status === 'measured' ? `Energy, measured (${meters})` : 'Energy, estimated from CPU time',
    note:
      describeInference(records) +
      (status === 'measured'
        ? 'Idle power is subtracted; brackets hold the 95% interval over windows.'
        : 'Brackets go from the least that the processor may draw for the CPU time, at the low end of its 95% interval, to the ' +
          'most for the high end; they have no confidence of their own. Relative to FP32 the unknown watts cancel, if a core draws the same for both; those brackets are ' +
          'a 95% interval.'),
    columns: [
      { title: 'Work', kind: 'label' },
      { title: 'Variant', kind: 'label' },
      ...varying.map((name): Column => ({ title: name === 'threads' ? 'Threads' : 'Batch', kind: 'label' })),
      ...columns.map(({ title, better }): Column => ({ title, kind: 'number', ...(better && { better }) })),
    ],
    rows: rows.map((row) => {
      const first = row[0] as ValueRecord;
      return [
        { text: phaseText(first) },
        { text: first.conditions.variant ?? '–' },
        ...varying.map((name): Cell => ({ text: String(first.conditions[name] ?? '–') })),
        ...columns.map(({ metric }): Cell => {
          const record = row.find((one) => one.metric === metric);
          return record ? { text: formatEnergy(record), record } : { text: '–' };
        }),
      ];
    }),
  };
}

/** What one inference is. */
function describeInference(records: readonly ValueRecord[]): string {
  const inference = records.find(({ conditions }) => conditions['phase'] === 'inference');
  if (inference === undefined) return '';
  const { sequenceLength, newTokens } = inference.conditions;
  return `One inference reads ${sequenceLength} tokens and generates ${newTokens}. `;
}

function projectionTable(records: readonly ValueRecord[]): Table {
  const platforms = [...new Set(records.map(({ conditions }) => String(conditions['platform'])))];
  const variants = [...new Set(records.map(({ conditions }) => String(conditions.variant)))];
  return {
    caption: 'Projection to other hardware, mJ per generated token: computed, never measured',
    note:
      'Operations and bytes of a token times published energies of each (docs/energy.md). What a machine draws besides is ' +
      'left out, so a meter would show more. Brackets go from the least to the greatest of those figures.',
    columns: [
      { title: 'Variant', kind: 'label' },
      ...platforms.map((platform): Column => ({ title: platform, kind: 'number', better: 'lower' })),
    ],
    rows: variants.map((variant) => [
      { text: variant },
      ...platforms.map((platform): Cell => {
        const record = records.find(
          ({ conditions }) => conditions['platform'] === platform && conditions.variant === variant,
        );
        return record ? { text: formatEnergy(record), record } : { text: '–' };
      }),
    ]),
  };
}

/** Records that differ in nothing but the metric. */
function groupByWork(records: readonly ValueRecord[]): readonly (readonly ValueRecord[])[] {
  const groups = new Map<string, ValueRecord[]>();
  for (const record of records) {
    const key = recordId(record.subject, 'power_w', record.conditions);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].sort(([a], [b]) => phaseOrder(a as ValueRecord) - phaseOrder(b as ValueRecord));
}

const phaseOrder = ({ conditions }: ValueRecord): number =>
  Object.keys(phaseTexts).indexOf(String(conditions['phase']));

/** Bounds that differ by a factor want digits at both ends, which those of a plain interval lack. */
export function formatEnergy(record: ValueRecord): string {
  const factor = inThousandths.includes(record.unit) ? 1000 : 1;
  const { value, interval } = record;
  if (!interval) return formatRecord({ ...record, value: value * factor });
  const [low, high] = interval;
  if (low > 0 && high > 2 * low) return `${short(value * factor)} [${short(low * factor)}, ${short(high * factor)}]`;
  return formatValue({ value: value * factor, interval: [low * factor, high * factor] });
}

const short = (value: number): string =>
  Number(value.toPrecision(2)).toLocaleString('en-US', { maximumFractionDigits: 12 });
