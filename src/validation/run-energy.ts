import { describeMachine } from '../energy/machine-file.ts';
import { measureEnergy } from '../energy/measure-energy.ts';
import { createModelWorkloads, workPhases } from '../energy/model-workloads.ts';
import { projectEnergy } from '../energy/projection.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { VariantName } from '../models/variants.ts';
import { energyFindings } from '../report/energy-findings.ts';
import type { PreparedVariant } from './compared-variants.ts';
import type { Stage, StageResult } from './stages.ts';

export interface EnergyCheckOptions {
  /** Name of the model, in records. */
  readonly name: string;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** So many windows, in so much time: the whole measurement is a command of its own. */
const checkSize = { rounds: 6, limitS: 50 } as const;

/** A stage that measures what the model and its variants draw; see {@link checkEnergy}. */
export function energyStage(
  folder: ModelFolder,
  prepared: readonly PreparedVariant[],
  options: EnergyCheckOptions,
): Stage {
  return { name: 'measuring energy', run: (say) => checkEnergy(folder, prepared, options, say) };
}

/**
 * What a model and its variants draw on one thread, reading a prompt, generating, and both; and a projection to other
 * hardware. In less than a minute: a meter that needs longer windows is left to the command `energy`.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 */
async function checkEnergy(
  folder: ModelFolder,
  prepared: readonly PreparedVariant[],
  { name, seed, signal }: EnergyCheckOptions,
  say: (detail: string) => void,
): Promise<StageResult> {
  const { config } = folder;
  const files = new Map<VariantName, Uint8Array>([
    ['fp32', encodeInferenceModel(folder)],
    ...prepared.map((variant): [VariantName, Uint8Array] => [variant.name, variant.model]),
  ]);
  const { workloads, release } = await createModelWorkloads({
    ...{ name, config, files, phases: workPhases },
    ...{ threads: [1], batches: [1] },
  });
  try {
    const { records, flags } = await measureEnergy(workloads, {
      ...{ machine: await describeMachine(), seed, signal, ...checkSize },
      onProgress: (_done, _total, what) => say(what),
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
