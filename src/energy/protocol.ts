import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { Conditions } from '../core/measurement.ts';
import { median } from '../core/statistics.ts';
import type { Meter } from './meter.ts';
import { type IdleWindows, idlePower, meanPower, sumWindows, type Window } from './window.ts';

/** What one run of a workload gets done. */
export type WorkUnit = 'token' | 'inference' | 'step';

/** Something whose energy is measured. */
export interface EnergyWorkload {
  /** `model`, `variant`, `phase` and what else tells it from the others. */
  readonly conditions: Conditions;
  readonly unit: WorkUnit;
  /** Units that one run gets done. */
  readonly unitsPerRun: number;
  run(): Promise<void>;
}

/** The world around the protocol; tests give a simulated one. */
export interface Surroundings {
  /** Seconds on a clock that does not jump. */
  nowS(): number;
  /** @throws {@link IteraError} `ABORTED`. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
  /** CPU seconds that other programs have used so far, on all cores; absent where the system does not tell. */
  otherCpuSeconds?(): number;
  readonly logicalCpus: number;
}

export interface ProtocolOptions {
  /** Rounds in which every workload gets one window. At least 2; from 6 on the interval is worth something. */
  readonly rounds: number;
  /** Seconds that a window lasts at least; it ends with the run in progress. */
  readonly windowS: number;
  /** Seconds that each workload runs before. */
  readonly warmupS: number;
  /** Seconds of the idle baseline, before and after each; no matter where the meter does not count idling. */
  readonly idleS: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number, what: string) => void) | undefined;
}

export interface WorkloadWindows {
  readonly workload: EnergyWorkload;
  /** One for each round. */
  readonly windows: readonly Window[];
}

export interface ProtocolResult {
  readonly workloads: readonly WorkloadWindows[];
  readonly idle: IdleWindows;
  /** What casts doubt on the numbers, in sentences. */
  readonly flags: readonly string[];
}

/** Windows into which each idle baseline is divided, to see how it varies. */
export const idleWindows = 8;
/** Others may keep this share of the machine busy before it counts as noisy. */
const noisyShare = 0.1;
/** Change of the idle power, relative to the power of the work over it, and of the energy of a run, that counts as drift. */
const driftShare = 0.05;

/** After so many times its lag a meter shows what is drawn now: of a change, 2% is left if it trails exponentially. */
const settledAfterLags = 4;

/** Seconds before a window or an idle baseline in which a meter comes to show what is drawn then. */
export const settlingS = ({ lagS }: Pick<Meter, 'lagS'>): number => settledAfterLags * lagS;

/**
 * Measures what workloads draw: warm-up, idle baseline, rounds in which each gets a window, idle baseline again. Two rounds
 * at a time go through the workloads forwards and backwards, so that a steady change and the one before weigh alike, and
 * the next two begin with the next workload. Before each window, and before idling is watched, a meter that trails gets
 * {@link settlingS} seconds of the same.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without workloads or with fewer than two rounds; `METER_FAILED`, `ABORTED`,
 *   and what a workload throws.
 */
export async function runProtocol(
  meter: Meter,
  workloads: readonly EnergyWorkload[],
  around: Surroundings,
  options: ProtocolOptions,
): Promise<ProtocolResult> {
  const { rounds, warmupS, signal, onProgress } = options;
  if (workloads.length === 0 || !(rounds >= 2)) {
    const message = `Expected workloads and at least 2 rounds, got ${workloads.length} and ${rounds}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { workloads: workloads.length, rounds });
  }
  for (const [index, { run }] of workloads.entries()) {
    onProgress?.(index, workloads.length, 'warming up');
    const end = around.nowS() + warmupS;
    do {
      throwIfAborted(signal);
      await run();
    } while (around.nowS() < end);
  }
  const before = await watchIdle(meter, around, options, 'idle before');
  const windows: Window[][] = workloads.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const order = turns(workloads.length, round);
    for (const [place, index] of order.entries()) {
      onProgress?.(round * workloads.length + place, rounds * workloads.length, 'measuring');
      windows[index]?.push(await measureWindow(meter, around, options, workloads[index] as EnergyWorkload));
    }
  }
  const after = await watchIdle(meter, around, options, 'idle after');
  const idle = { before, after };
  const measured = workloads.map((workload, index) => ({ workload, windows: windows[index] as Window[] }));
  return { workloads: measured, idle, flags: findFlags(measured, idle, around.logicalCpus) };
}

/** The order in which workloads have their windows in a round. */
function turns(count: number, round: number): readonly number[] {
  const shift = Math.floor(round / 2);
  const order = Array.from({ length: count }, (_, place) => (place + shift) % count);
  return round % 2 === 0 ? order : order.reverse();
}

async function measureWindow(
  meter: Meter,
  around: Surroundings,
  { windowS, signal }: ProtocolOptions,
  { run }: EnergyWorkload,
): Promise<Window> {
  const settledS = around.nowS() + settlingS(meter);
  while (around.nowS() < settledS) {
    throwIfAborted(signal);
    await run();
  }
  let runs = 0;
  return watch(meter, around, async (startS) => {
    do {
      throwIfAborted(signal);
      await run();
      runs += 1;
    } while (around.nowS() - startS < windowS);
    return runs;
  });
}

async function watchIdle(
  meter: Meter,
  around: Surroundings,
  { idleS, signal, onProgress }: ProtocolOptions,
  what: string,
): Promise<readonly Window[]> {
  if (!meter.countsIdle) return [];
  onProgress?.(0, idleWindows, what);
  if (meter.lagS > 0) await around.sleep(settlingS(meter), signal);
  const windows: Window[] = [];
  for (let index = 0; index < idleWindows; index++) {
    onProgress?.(index, idleWindows, what);
    windows.push(
      await watch(meter, around, async () => {
        await around.sleep(idleS / idleWindows, signal);
        return 0;
      }),
    );
  }
  return windows;
}

/** What the meter counts, and what others do, while something happens that says how many runs it was. */
async function watch(meter: Meter, around: Surroundings, act: (startS: number) => Promise<number>): Promise<Window> {
  const others = around.otherCpuSeconds?.();
  const { joules: start } = await meter.read();
  const startS = around.nowS();
  const runs = await act(startS);
  const seconds = around.nowS() - startS;
  const { joules: end } = await meter.read();
  const otherSeconds = others === undefined ? undefined : (around.otherCpuSeconds?.() ?? 0) - others;
  return {
    ...{ joules: end - start, seconds, middleS: startS + seconds / 2, runs },
    ...(otherSeconds !== undefined && { otherCores: Math.max(otherSeconds / seconds, 0) }),
  };
}

function findFlags(workloads: readonly WorkloadWindows[], idle: IdleWindows, logicalCpus: number): readonly string[] {
  const flags: string[] = [];
  const all = workloads.flatMap(({ windows }) => windows);
  const seconds = all.reduce((sum, window) => sum + window.seconds, 0);
  if (all.some(({ otherCores }) => otherCores !== undefined)) {
    const others = all.reduce((sum, window) => sum + (window.otherCores ?? 0) * window.seconds, 0) / seconds;
    if (others > noisyShare * logicalCpus) {
      flags.push(
        `Noisy: other programs kept ${others.toFixed(2)} of ${logicalCpus} cores busy meanwhile. Close them and measure again for numbers to keep.`,
      );
    }
  }
  const [before, after] = [meanPower(idle.before), meanPower(idle.after)];
  if (before && after) {
    const workW = sumWindows(all, idlePower(idle)).joules / seconds;
    if (Math.abs(after.watts - before.watts) > driftShare * Math.abs(workW)) {
      flags.push(
        `Drift: the idle machine drew ${before.watts.toFixed(2)} W before and ${after.watts.toFixed(2)} W after the work, against ${workW.toFixed(2)} W that the work drew over it.`,
      );
    }
  }
  const drifts = workloads.map(({ windows }) => relativeDrift(windows, idle)).filter((drift) => drift !== undefined);
  const greatest = drifts.reduce((most, drift) => (Math.abs(drift) > Math.abs(most) ? drift : most), 0);
  if (drifts.length > 0 && Math.abs(median(drifts)) > driftShare) {
    flags.push(
      `Drift: the energy of a run changed by ${(100 * median(drifts)).toFixed(0)}% from the first to the last third of the rounds (at most by ${(100 * greatest).toFixed(0)}%): the machine was not in a steady state.`,
    );
  }
  return flags;
}

/** Median energy of a run in the last third of the rounds over that in the first, less 1. */
function relativeDrift(windows: readonly Window[], idle: IdleWindows): number | undefined {
  const third = Math.floor(windows.length / 3);
  if (third < 1) return undefined;
  const idleW = idlePower(idle);
  const perRun = windows.map((window) => (window.joules - idleW(window.middleS) * window.seconds) / window.runs);
  const first = median(perRun.slice(0, third));
  return first > 0 ? median(perRun.slice(-third)) / first - 1 : undefined;
}
