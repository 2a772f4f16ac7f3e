import { createRandom, permutation } from '../core/random.ts';
import type { TextDocument } from './documents.ts';

/**
 * A uniformly random choice of documents, in their order in the text, reading it once and holding only the sample.
 *
 * @param count - Documents wanted; all are returned if there are no more.
 * @returns The sample and how many documents there were.
 * @see Vitter 1985, Random Sampling with a Reservoir, algorithm R.
 */
export async function sampleDocuments(
  documents: AsyncIterable<TextDocument>,
  count: number,
  seed: number,
): Promise<{ readonly sample: readonly TextDocument[]; readonly total: number }> {
  const random = createRandom(seed, 3);
  const reservoir: { readonly index: number; readonly document: TextDocument }[] = [];
  let total = 0;
  for await (const document of documents) {
    const index = total++;
    if (index < count) {
      reservoir.push({ index, document });
      continue;
    }
    const place = random.integer(index + 1);
    if (place < count) reservoir[place] = { index, document };
  }
  return { sample: reservoir.sort((a, b) => a.index - b.index).map(({ document }) => document), total };
}

/** How large a sample of documents is. */
export interface SampleLimits {
  readonly maxDocuments: number;
  /** Documents are taken in random order until their text reaches so many bytes. */
  readonly maxBytes: number;
  /** Taken whatever their size, so that an interval over documents means something. */
  readonly minDocuments: number;
}

/** A seeded sample of documents within limits of number and size, in their order in the text. */
export async function sampleWithin(
  documents: AsyncIterable<TextDocument>,
  { maxDocuments, maxBytes, minDocuments }: SampleLimits,
  seed: number,
): Promise<{ readonly sample: readonly TextDocument[]; readonly total: number }> {
  const { sample, total } = await sampleDocuments(documents, maxDocuments, seed);
  const chosen = new Set<number>();
  let bytes = 0;
  for (const index of permutation(sample.length, createRandom(seed, 4))) {
    if (chosen.size >= minDocuments && bytes >= maxBytes) break;
    chosen.add(index);
    bytes += (sample[index] as TextDocument).originalBytes;
  }
  return { sample: sample.filter((_, index) => chosen.has(index)), total };
}
