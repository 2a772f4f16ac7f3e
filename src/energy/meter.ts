import { IteraError } from '../core/errors.ts';

/** What a meter says at one moment. */
export interface MeterReading {
  /** Joules since the meter was opened, never less than before. */
  readonly joules: number;
  /** The same by what drew them, e.g. `package-0` and `dram`; where the meter tells them apart. */
  readonly byDomain?: Readonly<Record<string, number>>;
}

/** Something that says what energy was drawn since it was opened. */
export interface Meter {
  /** Short name, e.g. `rapl`. */
  readonly name: string;
  /** Whether it measures, or only estimates from something else that is measured. */
  readonly status: 'measured' | 'estimated';
  /** What its joules count, in words. */
  readonly covers: string;
  /** How it works, in a sentence; stands in every record. */
  readonly method: string;
  /** Seconds between two values that differ. */
  readonly tickS: number;
  /** Seconds by which its values trail what is drawn: power smoothed over time, or sampled by another program. */
  readonly lagS: number;
  /** Whether its joules count what the idle machine draws too; then that is measured apart and subtracted. */
  readonly countsIdle: boolean;
  /** What the true joules are at least and at most, as multiples of those that are read; `[1, 1]` where no bound is known. */
  readonly relativeBounds: readonly [number, number];
  /** @throws {@link IteraError} `METER_FAILED` if it vanished, denies reading or gave what cannot be. */
  read(): Promise<MeterReading>;
  close(): Promise<void>;
}

/** A meter that is ready, or why this machine has none of its kind and what would help. */
export type FoundMeter = { readonly meter: Meter } | { readonly reason: string };

export const meterFailure = (message: string, data: Record<string, unknown> = {}, cause?: unknown): IteraError =>
  new IteraError('METER_FAILED', message, data, cause === undefined ? {} : { cause });
