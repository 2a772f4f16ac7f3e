import { abortError, IteraError, throwIfAborted } from '../core/errors.ts';
import type { ReportStage } from '../report/report.ts';
import type { KeptStages } from './kept-stages-file.ts';
import type { Stage, StageProgress, StageResult } from './stage.ts';
import { createStageClock } from './stage-clock.ts';

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
      const reason = whyNothing(result);
      ended.push(
        reason === undefined
          ? { id, name, status: 'done', seconds, ...(found && { resumed: true }) }
          : { id, name, status: 'notRun', reason },
      );
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
/** The one reason why a stage has not a single number to tell, if that is so. */
function whyNothing({ records = [], samples = [] }: StageResult): string | undefined {
  const reasons = new Set(records.map((record) => (record.status === 'notRun' ? record.reason : undefined)));
  const [reason] = reasons;
  return samples.length === 0 && reasons.size === 1 ? reason : undefined;
}

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
