import { runBenchmark } from '../benchmark/run-benchmark.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { CompressedVariant, VariantName } from '../models/variants.ts';
import type { VariantPreparation } from './compared-variants.ts';
import type { Stage } from './stage.ts';
import type { StageContext } from './stage-context.ts';

/** The variants that are timed besides the model. */
const timed: readonly CompressedVariant[] = ['int8', 'int4'];

/** A stage that times the model and two of its variants in several runtimes. */
export function benchmarkStage(
  { folder, name, size, signal }: StageContext,
  variants: VariantPreparation,
  leftOutBy?: string,
): Stage {
  return {
    ...{ id: 'benchmark', name: 'timing runtimes', leftOutBy },
    expectedS: (6 * size.benchmark.rounds * size.benchmark.runtimes.length) / 3,
    inputs: () => variants.hashes(timed),
    async run(say) {
      const files = new Map<VariantName, Uint8Array>([['fp32', encodeInferenceModel(folder)]]);
      for (const variant of variants.ready()) if (timed.includes(variant.name)) files.set(variant.name, variant.model);
      const records = await runBenchmark(folder, {
        ...{ name, files, ...size.benchmark, onStage: say },
        ...(signal && { signal }),
      });
      return { records };
    },
  };
}
