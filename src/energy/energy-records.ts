import { type Conditions, type MeasurementRecord, type Metric, recordId } from '../core/measurement.ts';
import type { Interval } from '../core/statistics.ts';
import type { Meter } from './meter.ts';
import type { ProtocolResult, WorkloadWindows } from './protocol.ts';
import type { WindowSums } from './window.ts';
import { bootstrapWindows, type Estimate } from './window-interval.ts';

export interface EnergyRecordOptions {
  readonly seed: number;
  /** Grams of CO2 equivalent for a kilowatt-hour of this machine's electricity; without it nothing is said of carbon. */
  readonly carbonGPerKwh?: number | undefined;
}

/** Joules of a kilowatt-hour. */
const joulesPerKwh = 3.6e6;

const units: Partial<Record<Metric, string>> = {
  energy_j_per_token: 'J/token',
  tokens_per_joule: 'tokens/J',
  energy_j_per_inference: 'J/inference',
  energy_j_per_step: 'J/step',
  power_w: 'W',
  energy_delay_js: 'J·s',
  energy_ratio: '1',
  carbon_g_per_million_tokens: 'g CO2e/1M tokens',
};

/**
 * What the windows of a measurement come to, as records: energy per unit of work with its interval, power, tokens per joule,
 * the energy-delay product of an inference, carbon where its intensity is given, and for each variant its paired ratio to
 * FP32 under the same conditions.
 *
 * The interval of a meter's number is one of sampling, of 95%. That of an estimate also goes from the least to the greatest
 * watts that a core may draw, and has no confidence level; in a ratio these watts cancel, and its interval is one of
 * sampling again.
 */
export function energyRecords(
  meter: Meter,
  result: ProtocolResult,
  options: EnergyRecordOptions,
): readonly MeasurementRecord[] {
  const writer = createWriter(meter, result, options);
  return result.workloads.flatMap((measured) => [
    ...writer.absolute(measured),
    ...writer.ratio(measured, findBaseline(measured, result.workloads)),
  ]);
}

function createWriter(meter: Meter, { idle, flags }: ProtocolResult, { seed, carbonGPerKwh }: EnergyRecordOptions) {
  const doubts = flags.length === 0 ? '' : ` ${flags.join(' ')}`;
  const isEstimate = meter.status === 'estimated';

  const build = (
    metric: Metric,
    { workload, windows }: WorkloadWindows,
    { value, interval }: Estimate,
    words: { readonly method: string; readonly hasLevel: boolean },
  ): MeasurementRecord => {
    const conditions: Conditions = { ...workload.conditions, meter: meter.name };
    const subject = String(conditions.model ?? 'machine');
    const base = { id: recordId(subject, metric, conditions), subject, metric, unit: units[metric] ?? '1', conditions };
    const method = `${words.method}.${doubts}`;
    if (![value, ...interval].every(Number.isFinite)) {
      const reason = `The energy over the idle level cannot be told from none in ${windows.length} windows. Measure longer, with --seconds and --rounds.`;
      return { ...base, method, status: 'notRun', reason };
    }
    return {
      ...base,
      ...{ method, status: meter.status, value, interval, n: windows.length },
      ...(words.hasLevel && { confidence: 0.95 }),
    };
  };

  const estimate = (all: readonly WorkloadWindows[], statistic: (sums: readonly WindowSums[]) => number): Estimate =>
    bootstrapWindows(
      all.map(({ windows }) => windows),
      idle,
      statistic,
      { seed },
    );

  /** Adds the bounds of the watts to an interval of sampling. */
  const widen = ({ value, interval }: Estimate): Estimate => ({
    value,
    interval: [interval[0] * meter.relativeBounds[0], interval[1] * meter.relativeBounds[1]],
  });

  return {
    absolute(measured: WorkloadWindows): readonly MeasurementRecord[] {
      const { unit, unitsPerRun } = measured.workload;
      const kind = isEstimate
        ? 'the interval holds the bounds of the watts and the 95% bootstrap interval over windows'
        : 'idle power subtracted, 95% bootstrap interval over windows';
      const method = `${meter.method} ${isEstimate ? '' : `(${meter.covers}) `}${describeWindows(measured)}; ${kind}`;
      const words = { method, hasLevel: !isEstimate };
      const energy = ifDrawn(widen(estimate([measured], ([sums]) => perRun(sums) / unitsPerRun)));
      const power = ifDrawn(
        widen(estimate([measured], ([sums]) => (sums as WindowSums).joules / (sums as WindowSums).seconds)),
      );
      const powerRecord = build('power_w', measured, power, words);
      if (unit === 'step') return [build('energy_j_per_step', measured, energy, words), powerRecord];
      if (unit === 'inference') {
        const delay = widen(
          estimate([measured], ([sums]) => {
            const { seconds, runs } = sums as WindowSums;
            return (perRun(sums) / unitsPerRun) * (seconds / runs);
          }),
        );
        return [
          build('energy_j_per_inference', measured, energy, words),
          build('energy_delay_js', measured, ifCertain(delay), words),
          powerRecord,
        ];
      }
      const certain = ifCertain(energy);
      const yielded = { value: 1 / certain.value, interval: reciprocal(certain.interval) };
      return [
        build('energy_j_per_token', measured, energy, words),
        build('tokens_per_joule', measured, yielded, words),
        powerRecord,
        ...(carbonGPerKwh === undefined
          ? []
          : [
              build('carbon_g_per_million_tokens', measured, scale(certain, (1e6 * carbonGPerKwh) / joulesPerKwh), {
                ...words,
                method: `energy per token x ${carbonGPerKwh} g CO2e/kWh, which the user named; ${method}`,
              }),
            ]),
      ];
    },

    ratio(measured: WorkloadWindows, baseline: WorkloadWindows | undefined): readonly MeasurementRecord[] {
      if (baseline === undefined) return [];
      // Where one of both may be none, their ratio may be anything.
      const energies = [measured, baseline].map((one) => ifCertain(estimate([one], ([sums]) => perRun(sums))));
      const known = energies.every(({ value }) => Number.isFinite(value));
      const ratio = known ? estimate([measured, baseline], ([own, other]) => perRun(own) / perRun(other)) : unknown;
      const method = isEstimate
        ? 'ratio of CPU seconds, windows in turns, 95% bootstrap interval over rounds; the unknown watts of a core cancel if ' +
          'it draws the same for both, which no meter has checked here: instructions of other kinds may draw more or less'
        : `${meter.method}, windows in turns, idle power subtracted; 95% bootstrap interval over rounds`;
      return [build('energy_ratio', measured, ratio, { method, hasLevel: true })];
    },
  };
}

const unknown: Estimate = { value: Number.NaN, interval: [Number.NaN, Number.NaN] };

/** Nothing draws less than the idle machine: such a value is noise alone. */
const ifDrawn = (estimate: Estimate): Estimate => (estimate.value > 0 ? estimate : unknown);

/** Only where the interval leaves no doubt that something is drawn. */
const ifCertain = (estimate: Estimate): Estimate => (estimate.interval[0] > 0 ? estimate : unknown);

const perRun = (sums: WindowSums | undefined): number => (sums as WindowSums).joules / (sums as WindowSums).runs;

const reciprocal = ([low, high]: Interval): Interval => [1 / high, 1 / low];

const scale = ({ value, interval: [low, high] }: Estimate, factor: number): Estimate => ({
  value: value * factor,
  interval: [low * factor, high * factor],
});

function describeWindows({ windows }: WorkloadWindows): string {
  const seconds = windows.reduce((sum, window) => sum + window.seconds, 0);
  const runs = windows.reduce((sum, window) => sum + window.runs, 0);
  return `${windows.length} windows of ${(seconds / windows.length).toPrecision(2)} s in turns with other work, ${runs} runs in all`;
}

/** FP32 under otherwise equal conditions. */
function findBaseline({ workload }: WorkloadWindows, all: readonly WorkloadWindows[]): WorkloadWindows | undefined {
  if (workload.conditions.variant === undefined || workload.conditions.variant === 'fp32') return undefined;
  const key = ({ variant: _, ...others }: Conditions): string => recordId('', 'energy_ratio', others);
  return all.find(
    (other) =>
      other.workload.conditions.variant === 'fp32' && key(other.workload.conditions) === key(workload.conditions),
  );
}
