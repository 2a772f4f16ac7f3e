import { runDrill } from '../adaptation/drill.ts';
import type { Scenario } from '../adaptation/scenarios.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { Stage } from './stages.ts';

export interface DrillRunOptions {
  /** Default: none. */
  readonly drills?: readonly Scenario[];
  readonly version: string;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

/** Few texts and steps: `adapt` is a command of its own. */
const drillSize = {
  variants: ['int8', 'int4'],
  calibrationTokens: 8192,
  baseTexts: ['stories', 'articles'],
  baseBytes: 60_000,
  steps: 40,
} as const;

/** A stage for each of some scenarios, which adapts a model to it in a store of its own; see {@link runDrill}. */
export function drillStages(
  folder: ModelFolder,
  name: string,
  { drills = [], version, seed, threads, signal }: DrillRunOptions,
): readonly Stage[] {
  return drills.map((scenario) => ({
    name: `adaptation drill (${scenario})`,
    async run(say) {
      const { samples, ...drill } = await runDrill(folder, name, scenario, {
        ...{ ...drillSize, version, seed, threads, onStage: say },
        ...(signal && { signal }),
      });
      return { ...drill, samples: samples.map((sample) => ({ ...sample, seed, temperature: 0 })) };
    },
  }));
}
