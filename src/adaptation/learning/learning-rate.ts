import { IteraError } from '../../core/errors.ts';
import type { AdaptationRun } from '../store/store-records.ts';

export interface LearningRatePreset {
  readonly start: number;
  readonly least: number;
  readonly most: number;
}

/**
 * `original`: the bounds of the report that this project began with; `default`: what measurement chose for models of up to
 * `startParameters`; larger ones start lower.
 */
export const learningRatePresets = {
  default: { start: 2e-4, least: 2e-5, most: 1e-3 },
  original: { start: 1e-5, least: 1e-7, most: 1e-4 },
} as const satisfies Record<string, LearningRatePreset>;

/** The best rates measured were 2e-4 for 0.29M parameters and 1e-4 for 2.93M: docs/experiments.md. */
const startParameters = 730_000;

/** Runs that count as recent. */
const recentRuns = 10;

/**
 * The learning rate of the next run: that of the last one, times 1.5 if less than half of the recent runs were kept, times
 * 0.8 if more than four in five were, within the preset's bounds. Runs that were skipped or failed say nothing.
 *
 * @param runs - Newest first.
 * @param parameters - Of the model: the first rate of `default` falls as the square root of their number grows.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an unknown preset.
 */
export function nextLearningRate(runs: readonly AdaptationRun[], preset: string, parameters = 0): number {
  const bounds = Object.hasOwn(learningRatePresets, preset)
    ? learningRatePresets[preset as keyof typeof learningRatePresets]
    : undefined;
  if (!bounds) {
    const names = Object.keys(learningRatePresets).join(', ');
    throw new IteraError('INVALID_ARGUMENT', `Expected one of the presets ${names}, got ${JSON.stringify(preset)}.`);
  }
  const recent = runs
    .filter(({ status, settings }) => (isKept(status) || status === 'rejected' ? settings['preset'] === preset : false))
    .slice(0, recentRuns);
  const last = recent[0]?.settings['learningRate'];
  if (typeof last !== 'number') {
    return preset === 'default' ? bounds.start * Math.min(1, Math.sqrt(startParameters / parameters)) : bounds.start;
  }
  const success = recent.filter(({ status }) => isKept(status)).length / recent.length;
  const factor = success < 0.5 ? 1.5 : success > 0.8 ? 0.8 : 1;
  return Math.min(bounds.most, Math.max(bounds.least, last * factor));
}

const isKept = (status: AdaptationRun['status']): boolean => status === 'promoted' || status === 'canary';
