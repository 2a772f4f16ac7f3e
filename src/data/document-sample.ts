import { createRandom } from '../core/random.ts';
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
