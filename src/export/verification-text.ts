import { openDataset } from '../data/dataset-files.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { createModelTokenizer } from '../runtime/model.ts';

/** Tokens of text that `verifyExport` reads. */
const wantedTokens = 256;

/** The beginning of the bundled stories, as tokens: a text that every exported file can be compared on. */
export async function readVerificationText(folder: ModelFolder, signal?: AbortSignal): Promise<readonly number[]> {
  const tokenizer = createModelTokenizer(folder);
  const tokens: number[] = [];
  const stories = await openDataset('stories', { split: 'test', ...(signal && { signal }) });
  for await (const { text } of stories.documents()) {
    tokens.push(tokenizer.eosId, ...tokenizer.encode(text));
    if (tokens.length >= wantedTokens) break;
  }
  return tokens;
}
