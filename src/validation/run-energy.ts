import { describeMachine } from '../energy/machine-file.ts';
import { measureEnergy } from '../energy/measure-energy.ts';
import { createModelWorkloads } from '../energy/model-workloads.ts';
import { projectEnergy } from '../energy/projection.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { VariantName } from '../models/variants.ts';
import { energyFindings } from '../report/energy-findings.ts';
import type { PreparedVariant, VariantPreparation } from './compared-variants.ts';
import type { Say, Stage, StageResult } from './stage.ts';
import type { StageContext } from './stage-context.ts';

/** A stage that measures what the model and its variants draw; see {@link checkEnergy}. */
export function energyStage(context: StageContext, variants: VariantPreparation, leftOutBy?: string): Stage {
  return {
    ...{ id: 'energy', name: 'measuring energy', expectedS: context.size.energy.limitS, leftOutBy },
    inputs: () => variants.hashes(),
    run: (say) => checkEnergy(context, variants.ready(), say),
  };
}

/**
 * What a model and its variants draw on one thread, reading a prompt, generating, and both; and a projection to other
 * hardware. A meter whose windows would take longer than there is time is left to the command `energy`.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 */
async function checkEnergy(
  { folder, name, seed, size, signal }: StageContext,
  prepared: readonly PreparedVariant[],
  say: Say,
): Promise<StageResult> {
  const { config } = folder;
  const files = new Map<VariantName, Uint8Array>([
    ['fp32', encodeInferenceModel(folder)],
    ...prepared.map((variant): [VariantName, Uint8Array] => [variant.name, variant.model]),
  ]);
  const { workloads, release } = await createModelWorkloads({
    ...{ name, config, files, phases: size.energy.phases },
    ...{ threads: [1], batches: [1] },
  });
  try {
    const { records, flags } = await measureEnergy(workloads, {
      ...{ machine: await describeMachine(), seed, signal },
      ...{ rounds: size.energy.rounds, limitS: size.energy.limitS },
      onProgress: (done, total, what) => say(what, done / total),
    });
    const projections = [...files].flatMap(([variant, file]) =>
      projectEnergy({ name, variant, config, fileBytes: file.length }),
    );
    return {
      records: [...records, ...projections],
      findings: [...energyFindings(records), ...flags.map((flag) => `Energy, with a doubt. ${flag}`)],
    };
  } finally {
    await release();
  }
}
