import type { MeasurementRecord } from '../core/measurement.ts';
import type { Sample } from '../report/report.ts';

/** What a part of the main job found. */
export interface StageResult {
  readonly records?: readonly MeasurementRecord[];
  readonly samples?: readonly Sample[];
  /** What holds, in sentences. */
  readonly findings?: readonly string[];
  /** What does not. */
  readonly failures?: readonly string[];
  /** sha256 of what the numbers depend on, by a readable name. */
  readonly hashes?: Readonly<Record<string, string>>;
  /** A file that later stages work with. */
  readonly file?: Uint8Array;
}

/** Takes what is being done within a stage, in words, and the share of it that is done, where that is known. */
export type Say = (detail: string, share?: number) => void;

/** A part of the main job. */
export interface Stage {
  /** Unique within the job, e.g. `quality/stories`. */
  readonly id: string;
  readonly name: string;
  /** Seconds that it takes about, with the default model on two cores. */
  readonly expectedS: number;
  /** The option that leaves the stage out, e.g. `--no-server`. */
  readonly leftOutBy?: string | undefined;
  /** What its numbers depend on besides the job, e.g. a text by its sha256: what was kept holds for no other. */
  inputs?(): Readonly<Record<string, string>>;
  run(say: Say): Promise<StageResult>;
  /** Takes the result before the next stage, also one that was kept. */
  take?(result: StageResult): void;
}

/** Where the job is. */
export interface StageProgress {
  readonly name: string;
  readonly detail?: string;
  /** Place of the stage among those that are run, from 1. */
  readonly place: number;
  readonly total: number;
  /** Share of the whole job that is done, 0 to 1, by the time that its stages usually take. */
  readonly share: number;
  /** Seconds that are left, at the speed so far. */
  readonly remainingS: number;
}
