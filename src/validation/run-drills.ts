import { runDrill } from '../adaptation/drill.ts';
import type { Scenario } from '../adaptation/scenarios.ts';
import type { MeasurementRecord } from '../core/measurement.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { Sample } from '../report/report.ts';

export interface DrillRunOptions {
  /** Default: none. */
  readonly drills?: readonly Scenario[];
  readonly version: string;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
  /** What is being done, in words, and its place among all stages. */
  readonly onStage?: (stage: string, index: number, total: number) => void;
}

/** Few texts and steps: `adapt` is a command of its own. */
const drillSize = {
  variants: ['int8', 'int4'],
  calibrationTokens: 8192,
  baseTexts: ['stories', 'articles'],
  baseBytes: 60_000,
  steps: 40,
} as const;

/**
 * Adapts a model to each of some scenarios, in stores of their own; see {@link runDrill}.
 *
 * @param total - Stages of the whole job, of which the drills are the last.
 * @throws {@link IteraError} what {@link runDrill} throws.
 */
export async function runDrills(
  folder: ModelFolder,
  name: string,
  { drills = [], version, seed, threads, signal, onStage }: DrillRunOptions,
  total: number,
): Promise<DrillResults> {
  const results: DrillResults = { records: [], samples: [], findings: [], failures: [] };
  for (const [index, scenario] of drills.entries()) {
    const done = total - drills.length + index;
    const drill = await runDrill(folder, name, scenario, {
      ...{ ...drillSize, version, seed, threads },
      ...(signal && { signal }),
      onStage: (stage) => onStage?.(`adaptation drill (${scenario}): ${stage}`, done, total),
    });
    results.records.push(...drill.records);
    results.samples.push(...drill.samples.map((sample) => ({ ...sample, seed, temperature: 0 })));
    results.findings.push(...drill.findings);
    results.failures.push(...drill.failures);
  }
  return results;
}

interface DrillResults {
  readonly records: MeasurementRecord[];
  readonly samples: Sample[];
  readonly findings: string[];
  readonly failures: string[];
}
