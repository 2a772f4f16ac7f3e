import { measureSizes } from '../compression/variant-size.ts';
import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import { countParameters } from '../models/parameters.ts';
import { encodeSafetensors } from '../models/safetensors.ts';
import type { VariantPreparation } from './compared-variants.ts';
import type { Stage } from './stage.ts';
import type { StageContext } from './stage-context.ts';

/** A stage that counts parameters and measures what the model and its variants take, on disk and in memory. */
export function sizesStage({ folder, name, signal }: StageContext, variants: VariantPreparation): Stage {
  const { config, weights } = folder;
  return {
    ...{ id: 'sizes', name: 'measuring sizes and memory', expectedS: 10 },
    inputs: () => variants.hashes(),
    async run() {
      const { total, activePerToken } = countParameters(config);
      const record = (
        metric: 'parameters' | 'active_parameters' | 'size_bytes',
        value: number,
        unit: string,
        method: string,
      ): MeasurementRecord => {
        const conditions = { model: name, variant: 'fp32' };
        const about = { id: recordId(name, metric, conditions), subject: name, metric, unit, conditions };
        return { ...about, status: 'measured', value, n: 1, method };
      };
      const compared = variants.ready();
      const sizes =
        compared.length === 0
          ? [
              record(
                'size_bytes',
                encodeSafetensors(weights, { format: 'pt' }).length,
                'bytes',
                'size of the weights in float32 as a safetensors file',
              ),
            ]
          : await measureSizes(
              config,
              name,
              [{ name: 'fp32', model: encodeInferenceModel(folder) }, ...compared],
              signal ? { signal } : {},
            );
      return {
        records: [
          record('parameters', total, 'parameters', 'counted from the configuration'),
          record('active_parameters', activePerToken, 'parameters', 'counted from the configuration'),
          ...sizes,
        ],
      };
    },
  };
}
