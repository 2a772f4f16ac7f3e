import { throwIfAborted } from '../core/errors.ts';
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
}

/** A part of the main job. */
export interface Stage {
  readonly name: string;
  /** @param say - Takes what is being done within the stage, in words. */
  run(say: (detail: string) => void): Promise<StageResult>;
}

export interface StagesOptions {
  readonly signal?: AbortSignal | undefined;
  /** What is being done, in words, and its place among all stages. */
  readonly onStage?: ((stage: string, index: number, total: number) => void) | undefined;
}

/**
 * Runs stages one after the other and collects what they found, in their order.
 *
 * @throws {@link IteraError} `ABORTED`, and what a stage throws.
 */
export async function runStages(
  stages: readonly Stage[],
  { signal, onStage }: StagesOptions,
): Promise<Required<StageResult>> {
  const records: MeasurementRecord[] = [];
  const samples: Sample[] = [];
  const [findings, failures]: [string[], string[]] = [[], []];
  let hashes: Readonly<Record<string, string>> = {};
  for (const [index, { name, run }] of stages.entries()) {
    throwIfAborted(signal);
    const say = (detail?: string): void =>
      onStage?.(detail === undefined ? name : `${name}: ${detail}`, index, stages.length);
    say();
    const result = await run(say);
    records.push(...(result.records ?? []));
    samples.push(...(result.samples ?? []));
    findings.push(...(result.findings ?? []));
    failures.push(...(result.failures ?? []));
    hashes = { ...hashes, ...result.hashes };
  }
  return { records, samples, findings, failures, hashes };
}
