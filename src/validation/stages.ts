import { abortError, IteraError, throwIfAborted } from '../core/errors.ts';
import type { MeasurementRecord } from '../core/measurement.ts';
import type { ReportStage, Sample } from '../report/report.ts';
import type { KeptStages } from './kept-stages-file.ts';
import { createStageClock } from './stage-clock.ts';

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

export interface StagesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where results are kept as stages end, and found again. */
  readonly kept?: KeptStages | undefined;
  /** Throws if a result is not fit for the report: then its stage failed, and not the whole. */
  readonly check?: (result: StageResult) => void;
  readonly onProgress?: ((at: StageProgress) => void) | undefined;
}

/** What all stages found together, in their order, and how each ended. */
export interface StagesOutcome extends Required<Omit<StageResult, 'file'>> {
  readonly stages: readonly ReportStage[];
}

/**
 * Runs stages one after the other. One that fails is reported as failed, and the others are run all the same.
 *
 * @throws {@link IteraError} `ABORTED`; what a stage threw, if one did and none gave a number or a text.
 */
export async function runStages(stages: readonly Stage[], options: StagesOptions): Promise<StagesOutcome> {
  const { signal, kept, onProgress } = options;
  const clock = createStageClock(stages.filter(({ leftOutBy }) => leftOutBy === undefined));
  const results: StageResult[] = [];
  const ended: ReportStage[] = [];
  const thrown: unknown[] = [];
  for (const stage of stages) {
    const { id, name, leftOutBy } = stage;
    if (leftOutBy !== undefined) {
      ended.push({ id, name, status: 'notRun', reason: `Left out by ${leftOutBy}. Without that option it is run.` });
      continue;
    }
    throwIfAborted(signal);
    const inputs = stage.inputs?.() ?? {};
    const found = await kept?.find(id, inputs);
    const say = (detail?: string, share?: number): void =>
      onProgress?.({ name, ...(detail !== undefined && { detail }), ...clock.read(share) });
    clock.begin(stage, found !== undefined);
    if (!found) say();
    try {
      const result = found?.result ?? (await stage.run(say));
      options.check?.(result);
      const seconds = found?.seconds ?? clock.seconds();
      stage.take?.(result);
      results.push(result);
      ended.push({ id, name, status: 'done', seconds, ...(found && { resumed: true }) });
      if (!found) await kept?.keep(id, inputs, { result, seconds });
    } catch (error) {
      // Whatever ends a stage after an interrupt is its doing.
      if (signal?.aborted) throw abortError(signal);
      if (error instanceof IteraError && error.code === 'ABORTED') throw error;
      thrown.push(error);
      ended.push({ id, name, status: 'failed', reason: describeFault(error), seconds: clock.seconds() });
    }
  }
  if (thrown.length > 0 && !results.some(isTelling)) throw thrown[0];
  const failed = ended.filter(({ status }) => status === 'failed');
  return {
    records: results.flatMap(({ records = [] }) => records),
    samples: results.flatMap(({ samples = [] }) => samples),
    findings: results.flatMap(({ findings = [] }) => findings),
    failures: [
      ...failed.map((stage) => `Not done, because it failed: ${stage.name}. ${stage.reason}`),
      ...results.flatMap(({ failures = [] }) => failures),
    ],
    hashes: Object.assign({}, ...results.map(({ hashes }) => hashes)) as Record<string, string>,
    stages: ended,
  };
}

/** Whether something was measured or written. */
function isTelling({ records = [], samples = [] }: StageResult): boolean {
  return samples.length > 0 || records.some(({ status }) => status !== 'notRun');
}

function describeFault(error: unknown): string {
  const told = error instanceof IteraError ? `${error.code}: ${error.message}` : unexpected(error);
  return `${told} To try it again: the same command with --resume.`;
}

const unexpected = (error: unknown): string =>
  `Unexpected fault: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}. ` +
  'This is a mistake in Itera-Lite; please report it.';
