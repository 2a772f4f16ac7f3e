import { IteraError } from '../core/errors.ts';
import type { Interval } from '../core/statistics.ts';
import { corePower, type Machine } from './cpu-power.ts';

/** Energy that no meter measured. */
export interface EnergyEstimate {
  /** Joules over the idle level: the geometric middle of `interval`, since its ends differ by a factor. */
  readonly joules: number;
  /** Lower and upper bound in joules. They bound the watts of a core; they have no confidence level. */
  readonly interval: Interval;
  /** What was done and what it rests on, in one sentence. */
  readonly method: string;
}

/**
 * Estimates the energy that work drew over the idle level, where no meter can say: CPU seconds x bounded watts of one busy
 * core, see {@link corePower}.
 *
 * @param cpuSeconds - CPU time of the process and its children, user and system, summed over threads: one core that is
 *   busy for a second is 1. Not negative. `process.cpuUsage()` gives microseconds of this process.
 * @param machine - From `describeMachine` in `machine-file.ts`.
 * @returns Joules with their bounds, and the method in words. 0 seconds give 0 joules, exactly.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the seconds are negative or no number.
 */
export function estimateCpuEnergy(cpuSeconds: number, machine: Machine): EnergyEstimate {
  if (!(cpuSeconds >= 0) || !Number.isFinite(cpuSeconds)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected CPU seconds of at least 0, got ${cpuSeconds}.`, { cpuSeconds });
  }
  const { lowW, valueW, highW } = boundedCorePower(machine);
  return {
    joules: cpuSeconds * valueW,
    interval: [cpuSeconds * lowW, cpuSeconds * highW],
    method: describeEstimate(machine),
  };
}

/** The bounds of {@link corePower} and the watts that stand for them: their geometric mean. */
export function boundedCorePower(machine: Machine): {
  readonly lowW: number;
  readonly valueW: number;
  readonly highW: number;
} {
  const { lowW, highW } = corePower(machine);
  return { lowW, valueW: Math.sqrt(lowW * highW), highW };
}

/** How {@link estimateCpuEnergy} works on this machine, in one sentence. */
export function describeEstimate(machine: Machine): string {
  const { lowW, highW, name, basis, isDefault } = corePower(machine);
  const cpu = machine.cpuModel.trim() === '' ? 'its name is not known' : machine.cpuModel.trim();
  const what = isDefault ? `the default for an unknown processor (${cpu})` : `${name} (${cpu})`;
  const where = machine.virtualization
    ? ` This is a virtual machine (${machine.virtualization}): its host's meters are out of reach.`
    : '';
  return (
    `estimated, not measured: CPU seconds x ${formatW(lowW)} to ${formatW(highW)} W per busy core over idle, for ` +
    `${what}: ${basis}.${where}`
  );
}

const formatW = (watts: number): string => Number(watts.toPrecision(3)).toString();
