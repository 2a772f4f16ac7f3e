import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import {
  chooseMeter,
  type MeterChoice,
  type MeterName,
  type MeterOptions,
  type UnusableMeter,
} from './choose-meter.ts';
import type { Machine } from './cpu-power.ts';
import { energyRecords } from './energy-records.ts';
import type { Meter } from './meter.ts';
import {
  type EnergyWorkload,
  idleWindows,
  type ProtocolResult,
  runProtocol,
  type Surroundings,
  settlingS,
} from './protocol.ts';
import { ownSurroundings } from './surroundings.ts';

export interface EnergyOptions {
  readonly machine: Machine;
  /** Only this meter; by default the best that works, and the estimate if that fails meanwhile. */
  readonly meter?: MeterName | undefined;
  /** Windows of each workload. Default 8. */
  readonly rounds?: number | undefined;
  /** Seconds of a window, if more than {@link leastWindowS} of the meter, the default. */
  readonly windowS?: number | undefined;
  /** Seconds that all may take; a meter that would need more is left aside for the estimate. */
  readonly limitS?: number | undefined;
  readonly seed: number;
  readonly carbonGPerKwh?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number, what: string) => void) | undefined;
  /** Instead of this machine's own, for tests. */
  readonly surroundings?: Surroundings;
  readonly meterOptions?: MeterOptions;
}

export interface MeasuredEnergy {
  readonly records: readonly MeasurementRecord[];
  /** The meter that was used. */
  readonly meter: Pick<Meter, 'name' | 'status' | 'covers' | 'method'>;
  readonly unusable: readonly UnusableMeter[];
  /** What casts doubt on the numbers, in sentences. */
  readonly flags: readonly string[];
}

/** Enough for the estimate: CPU time is exact to a microsecond, and windows need only outlast single runs. */
const estimatedWindowS = 0.25;
const leastIdleS = 10;

/**
 * Seconds that a window must last at least: for a meter 100 of its ticks, or 10 seconds where that is longer, and half a
 * second in any case.
 */
export function leastWindowS({ status, tickS }: Pick<Meter, 'status' | 'tickS'>): number {
  return status === 'estimated' ? estimatedWindowS : Math.max(Math.min(10, 100 * tickS), 0.5);
}

/**
 * Measures what workloads draw, with the best meter of this machine; see {@link runProtocol} and {@link energyRecords}.
 * Without a meter that works, or if it fails meanwhile, the numbers are estimates in bounds, and `unusable` says why.
 *
 * @throws {@link IteraError} `METER_FAILED` if the meter that was asked for does not work; `INVALID_ARGUMENT`, `ABORTED`, and
 *   what a workload throws.
 */
export async function measureEnergy(
  workloads: readonly EnergyWorkload[],
  options: EnergyOptions,
): Promise<MeasuredEnergy> {
  const { machine, meter: wanted, surroundings = ownSurroundings() } = options;
  const meterOptions = { nowS: surroundings.nowS, ...options.meterOptions };
  const choice = await chooseMeter(machine, { ...meterOptions, ...(wanted && { wanted }) });
  const unusable = [...choice.unusable];
  const giveUp = async (reason: string): Promise<MeasuredEnergy> => {
    unusable.push({ name: choice.meter.name as MeterName, reason });
    const { meter } = await chooseMeter(machine, { ...meterOptions, wanted: 'estimate' });
    return measureWith({ meter, unusable }, workloads, surroundings, options);
  };
  const neededS = secondsNeeded(choice.meter, workloads.length, options);
  const { limitS = Number.POSITIVE_INFINITY } = options;
  if (wanted === undefined && choice.meter.status === 'measured' && neededS > limitS) {
    await choice.meter.close();
    return giveUp(
      `its windows would take ${Math.ceil(neededS)} s in all, more than the ${limitS} s there are here; itera-lite energy takes the time.`,
    );
  }
  try {
    return await measureWith({ meter: choice.meter, unusable }, workloads, surroundings, options);
  } catch (error) {
    const isFault = error instanceof IteraError && error.code === 'METER_FAILED';
    if (!isFault || wanted !== undefined) throw error;
    return giveUp(`it failed meanwhile: ${error.message}`);
  }
}

async function measureWith(
  { meter, unusable }: MeterChoice,
  workloads: readonly EnergyWorkload[],
  surroundings: Surroundings,
  options: EnergyOptions,
): Promise<MeasuredEnergy> {
  const { seed, carbonGPerKwh, signal, onProgress } = options;
  const sizes = protocolSizes(meter, options);
  let result: ProtocolResult;
  try {
    result = await runProtocol(meter, workloads, surroundings, { ...sizes, signal, onProgress });
  } finally {
    await meter.close();
  }
  throwIfAborted(signal);
  const { name, status, covers, method } = meter;
  return {
    records: [...energyRecords(meter, result, { seed, carbonGPerKwh }), ...absentRecords(workloads, status, unusable)],
    meter: { name, status, covers, method },
    unusable,
    flags: result.flags,
  };
}

function protocolSizes(meter: Meter, { rounds = 8, windowS: wantedS = 0 }: EnergyOptions) {
  const windowS = Math.max(wantedS, leastWindowS(meter));
  // An idle baseline shorter than a window would be the less exact part of the difference; and its windows must not be so
  // short that a meter that trails shows in one what was drawn in the one before.
  const idleS = Math.max(windowS, leastIdleS, idleWindows * settlingS(meter));
  return { rounds, windowS, warmupS: Math.min(windowS, 1), idleS };
}

function secondsNeeded(meter: Meter, count: number, options: EnergyOptions): number {
  const sizes = protocolSizes(meter, options);
  const settleS = settlingS(meter);
  const idleS = meter.countsIdle ? 2 * (sizes.idleS + settleS) : 0;
  return count * (sizes.warmupS + sizes.rounds * (sizes.windowS + settleS)) + idleS;
}

/** Where the numbers are estimates, a record of the measurement that there could have been. */
function absentRecords(
  workloads: readonly EnergyWorkload[],
  status: Meter['status'],
  unusable: readonly UnusableMeter[],
): readonly MeasurementRecord[] {
  if (status === 'measured' || unusable.length === 0) return [];
  const subject = String(workloads[0]?.conditions.model ?? 'machine');
  const [metric, meters] = ['energy_j_per_token', unusable.map(({ name }) => name).join(' ')] as const;
  const conditions = { model: subject, meter: meters };
  const reasons = unusable.map(({ name, reason }) => `${name}: ${reason}`).join(' ');
  return [
    {
      ...{ id: recordId(subject, metric, conditions), subject, metric, unit: 'J/token', conditions },
      ...{ status: 'notRun', method: 'a meter of this machine' },
      reason: `No meter of this machine could be used, so energy is estimated in bounds. ${reasons}`,
    },
  ];
}
