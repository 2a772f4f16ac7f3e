import { IteraError } from '../core/errors.ts';

export interface ScheduleOptions {
  readonly peak: number;
  readonly totalSteps: number;
  /** Steps over which the rate rises from 0. */
  readonly warmupSteps: number;
  /** Share of the steps, at the end, over which the rate falls linearly. */
  readonly decayShare: number;
  /** Rate at the last step, as a share of the peak. */
  readonly finalShare: number;
}

/**
 * Learning rate at a step: linear warm-up, a constant stretch, linear decay (warm-up-stable-decay).
 *
 * @param step - Counted from 0.
 * @see Hu et al. 2024 (MiniCPM), arXiv:2404.06395, section 4.
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { peak, totalSteps, warmupSteps, decayShare, finalShare } = options;
  const decaySteps = Math.round(totalSteps * decayShare);
  const untilEnd = totalSteps - 1 - step;
  const rise = warmupSteps > 0 ? Math.min(1, (step + 1) / warmupSteps) : 1;
  const fall = decaySteps > 0 ? Math.min(1, Math.max(0, untilEnd) / decaySteps) : 1;
  return peak * rise * (finalShare + (1 - finalShare) * fall);
}

/** @throws {@link IteraError} `INVALID_ARGUMENT` naming the option that is out of range. */
export function checkSchedule(options: ScheduleOptions): void {
  const rules: [keyof ScheduleOptions, boolean, string][] = [
    ['peak', options.peak > 0 && options.peak < 1, 'above 0 and below 1'],
    ['totalSteps', Number.isInteger(options.totalSteps) && options.totalSteps >= 1, 'a whole number from 1'],
    ['warmupSteps', Number.isInteger(options.warmupSteps) && options.warmupSteps >= 0, 'a whole number from 0'],
    ['decayShare', options.decayShare >= 0 && options.decayShare <= 1, 'from 0 to 1'],
    ['finalShare', options.finalShare >= 0 && options.finalShare <= 1, 'from 0 to 1'],
  ];
  for (const [name, holds, expected] of rules) {
    if (!holds) {
      throw new IteraError('INVALID_ARGUMENT', `Expected ${name} to be ${expected}, got ${options[name]}.`, { name });
    }
  }
}
