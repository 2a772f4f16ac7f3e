import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildInferenceGraph,
  createTokenizer,
  createTokenScorer,
  evaluateDataset,
  loadModel,
  type ModelFolder,
  readModelFolder,
  type ValueRecord,
  writeModelFolder,
} from '../../../src/index.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';

let dir: string;
let original: ModelFolder;
let copy: ModelFolder;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-saved-'));
  original = await openModel('itera-lite-micro');
  const path = join(dir, 'deep', 'copy');
  await writeModelFolder(path, { ...original, readme: '# Copy\n' });
  copy = await readModelFolder(path);
});
afterAll(() => rm(dir, { recursive: true }));

/** Bits per byte of some of the bundled stories. */
async function bitsPerByte(folder: ModelFolder): Promise<number> {
  const scorer = await createTokenScorer(buildInferenceGraph(folder.config, folder.weights), folder.config);
  const tokenizer = createTokenizer(folder.tokenizerJson, folder.tokenizerConfig);
  const { records } = await evaluateDataset(
    'stories',
    { name: 'model', variant: 'fp32', tokenizer, scorer, threads: 1 },
    {
      split: 'test',
      contextLength: 256,
      stride: 128,
      seed: 1,
      sample: { maxDocuments: 12, maxBytes: 9000, minDocuments: 4 },
    },
  );
  await scorer.release();
  return (records as ValueRecord[]).find(({ metric }) => metric === 'bits_per_byte')?.value as number;
}

describe('a model that was saved elsewhere and loaded again', () => {
  it('is the same, weight for weight', () => {
    expect([...copy.weights.keys()]).toEqual([...original.weights.keys()]);
    for (const [name, { data }] of original.weights) expect(copy.weights.get(name)?.data).toEqual(data);
    expect(copy.config).toEqual(original.config);
    expect(copy.itera).toEqual(original.itera);
  });

  it('needs the same bits per byte for the same text, to 1e-6', async () => {
    const [before, after] = [await bitsPerByte(original), await bitsPerByte(copy)];
    expect(Math.abs(after - before)).toBeLessThanOrEqual(1e-6);
    // A model that has learnt English needs fewer than the 4.7 bits that letters drawn at random do.
    expect(before).toBeGreaterThan(0.5);
    expect(before).toBeLessThan(4.7);
  });

  it('writes and scores the same', async () => {
    const models = [await loadModel(original.dir), await loadModel(copy.dir)];
    const results = await Promise.all(
      models.map(async (model) => {
        let text = '';
        for await (const piece of model.generate('The cat', { seed: 3, maxNewTokens: 20 })) text += piece.text;
        return { text, score: await model.score('The cat sat on the mat.') };
      }),
    );
    await Promise.all(models.map((model) => model.release()));
    expect(results[1]).toEqual(results[0]);
  });

  it('is written byte for byte the same a second time', async () => {
    const again = join(dir, 'again');
    const hashes = await writeModelFolder(again, { ...copy, readme: '# Copy\n' });
    for (const name of Object.keys(hashes)) {
      expect((await readFile(join(again, name))).equals(await readFile(join(copy.dir, name))), name).toBe(true);
    }
  });
});
