import { basename } from 'node:path';
import type { IteraError } from '../core/errors.ts';
import { openDataset } from '../data/dataset-files.ts';
import type { Split } from '../data/dataset-registry.ts';
import { unmeasuredComparison } from '../evaluation/dataset-comparison.ts';
import { distinctDatasets, isUnavailable } from '../evaluation/dataset-quality.ts';
import type { VariantPreparation } from './compared-variants.ts';
import type { DatasetScorer } from './dataset-scorer.ts';
import type { Stage } from './stage.ts';
import type { StageContext } from './stage-context.ts';

export interface QualityOptions {
  readonly datasets: readonly string[];
  readonly split: Split;
  readonly dataDir?: string;
  /** Score every document instead of a sample. */
  readonly fullText: boolean;
  readonly signal?: AbortSignal;
}

/** A dataset to be measured, or why it cannot be. */
export type FoundDataset = { readonly dataset: string } & (
  | { readonly sha256: string }
  | { readonly absence: IteraError }
);

/**
 * Opens every dataset before any is scored, so that a fault shows at once and not after minutes.
 *
 * @throws {@link IteraError} what `distinctDatasets` and `openDataset` throw, but for a text that is not on this machine.
 */
export async function findDatasets({ datasets, split, dataDir, signal }: QualityOptions): Promise<FoundDataset[]> {
  const found: FoundDataset[] = [];
  for (const dataset of distinctDatasets(datasets)) {
    try {
      const { sha256 } = await openDataset(dataset, { split, ...(dataDir && { dataDir }), ...(signal && { signal }) });
      found.push({ dataset, sha256 });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      found.push({ dataset, absence: error });
    }
  }
  return found;
}

/**
 * A stage that scores a dataset by the model and its variants. A text that cannot be had on this machine leaves records
 * that say so.
 */
export function qualityStage(
  { name, seed, size, signal }: StageContext,
  found: FoundDataset,
  scorer: DatasetScorer,
  variants: VariantPreparation,
  { split, dataDir, fullText }: QualityOptions,
): Stage {
  const { dataset } = found;
  const text = basename(dataset);
  const isAbsent = 'absence' in found;
  return {
    ...{ id: `quality/${text}`, name: `scoring ${text}`, expectedS: isAbsent ? 0 : 20 },
    inputs: () => ({ text: isAbsent ? 'absent' : found.sha256, ...variants.hashes() }),
    async run(say) {
      if (isAbsent) {
        const names = ['fp32', ...variants.ready().map((variant) => variant.name)];
        return { records: unmeasuredComparison(dataset, { name, variants: names }, split, found.absence) };
      }
      const scored = await scorer.score(dataset, {
        ...{ split, ...size.window, seed },
        ...(dataDir && { dataDir }),
        ...(!fullText && { sample: size.sample }),
        ...(signal && { signal }),
        onProgress: ({ documents, tokens }) => say(`${documents} documents, ${tokens} tokens`),
      });
      return { records: scored.records, hashes: { [`dataset/${scored.text}`]: scored.sha256 } };
    },
  };
}
