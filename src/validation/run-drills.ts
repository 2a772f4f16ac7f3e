import { runDrill } from '../adaptation/drill.ts';
import type { Scenario } from '../adaptation/scenarios.ts';
import type { Stage } from './stage.ts';
import type { StageContext } from './stage-context.ts';

/** The drill that is usual: its unwanted phrase shows both that something is learnt and that something is unlearnt. */
export const usualDrill: Scenario = 'phrase';

/** Few texts and steps: `adapt` is a command of its own. */
const drillSize = {
  variants: ['int8', 'int4'],
  calibrationTokens: 8192,
  baseTexts: ['stories', 'articles'],
  baseBytes: 60_000,
  steps: 40,
} as const;

/**
 * A stage for each of some scenarios, which adapts a model to it in a store of its own, see {@link runDrill}; without any,
 * the usual one as left out.
 *
 * @param chosenBy - The option that chose the scenarios.
 */
export function drillStages(
  { folder, name, version, seed, threads, signal }: StageContext,
  drills: readonly Scenario[],
  chosenBy: string,
): readonly Stage[] {
  const isNone = drills.length === 0;
  return (isNone ? [usualDrill] : drills).map(
    (scenario): Stage => ({
      ...{ id: `drill/${scenario}`, name: `adaptation drill (${scenario})`, expectedS: 90 },
      leftOutBy: isNone ? chosenBy : undefined,
      async run(say) {
        const { records, samples, findings, failures } = await runDrill(folder, name, scenario, {
          ...{ ...drillSize, version, seed, threads, onStage: say },
          ...(signal && { signal }),
        });
        const described = samples.map((sample) => ({ ...sample, seed, temperature: 0 }));
        return { records, samples: described, findings, failures };
      },
    }),
  );
}
