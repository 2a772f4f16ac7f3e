import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { plainDocument, splitDocuments, type TextDocument } from '../../../src/data/documents.ts';
import { type DocumentLoss, scoreDocuments } from '../../../src/evaluation/document-loss.ts';
import type { LayerType, ModelConfig } from '../../../src/models/config.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession } from '../../../src/runtime/session.ts';
import { zeroStates } from '../../../src/runtime/state.ts';
import { createTokenScorer, type TokenScorer } from '../../../src/runtime/token-scorer.ts';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';
import { createTokenizer, type Tokenizer } from '../../../src/text/tokenizer.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';

const stories = splitDocuments(
  readFileSync(new URL('../../../texts/stories/test.txt', import.meta.url), 'utf8'),
  'endoftext',
);
/** Beginnings of stories, of 20 to 300 characters. */
const documents: readonly TextDocument[] = stories
  .slice(0, 9)
  .map(({ text }, index) => plainDocument(text.slice(0, 20 + 35 * index)));

let tokenizer: Tokenizer;
beforeAll(async () => {
  const { tokenizerJson, tokenizerConfig } = await trainBpe(
    documents.map(({ text }) => text),
    { vocabSize: 300 },
  );
  tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
});

/** Runs the whole document through the inference graph at once and adds up the log-probabilities in float64. */
async function scoreDirectly(config: ModelConfig, weights: ReadonlyMap<string, Tensor>, text: string): Promise<number> {
  const ids = tokenizer.encode(text);
  const inputs = [tokenizer.eosId, ...ids.subarray(0, -1)];
  const shape = [1, ids.length];
  const session = await createSession(encodeOnnx(buildInferenceGraph(config, weights)));
  const results = await session.run({
    input_ids: tensor('int64', shape, BigInt64Array.from(inputs, BigInt)),
    attention_mask: tensor('int64', shape, new BigInt64Array(ids.length).fill(1n)),
    num_logits_to_keep: tensor('int64', [], BigInt64Array.of(0n)),
    ...Object.fromEntries(zeroStates(config, 1)),
  });
  await session.release();
  const { data: logits } = results['logits'] as Tensor<'float32'>;
  let nats = 0;
  for (const [at, id] of ids.entries()) {
    const row = logits.subarray(at * config.vocabSize, (at + 1) * config.vocabSize);
    const top = Math.max(...row);
    nats += top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0)) - (row[id] as number);
  }
  return nats;
}

describe.each<[string, readonly LayerType[]]>([
  ['state-space layers', ['mamba', 'mamba']],
  ['attention', ['attention']],
])('scoring with %s', (_name, layers) => {
  const config = toyConfig(layers);
  const weights = randomWeights(config, 5);
  let scorer: TokenScorer;

  beforeAll(async () => {
    scorer = await createTokenScorer(buildInferenceGraph(config, weights), config);
  });
  afterAll(() => scorer.release());

  const score = (texts: readonly TextDocument[], change: Partial<Parameters<typeof scoreDocuments>[3]> = {}) =>
    scoreDocuments(texts, tokenizer, scorer, { contextLength: 48, stride: 16, batchSize: 4, ...change });

  function expectSame(
    actual: readonly (DocumentLoss | undefined)[],
    expected: readonly (DocumentLoss | undefined)[],
  ): void {
    expect(actual).toHaveLength(expected.length);
    for (const [index, loss] of expected.entries()) {
      expect(actual[index]).toEqual({ ...loss, nats: expect.closeTo(loss?.nats as number, 3) });
      expect(Math.abs((actual[index]?.nats as number) / (loss?.nats as number) - 1)).toBeLessThan(1e-5);
    }
  }

  it('equals running each document whole, where it fits in a window', async () => {
    const losses = await score(documents, { contextLength: 400, stride: 1 });
    for (const [index, { text }] of documents.entries()) {
      const direct = await scoreDirectly(config, weights, text);
      expect(Math.abs((losses[index]?.nats as number) / direct - 1)).toBeLessThan(1e-5);
    }
  });

  it('differs where windows cut context off', async () => {
    const whole = await score(documents.slice(-1), { contextLength: 400 });
    const cut = await score(documents.slice(-1), { contextLength: 4, stride: 4 });
    expect(cut[0]?.tokens).toBe(whole[0]?.tokens);
    expect(Math.abs((cut[0]?.nats as number) - (whole[0]?.nats as number))).toBeGreaterThan(1e-3);
  });

  it.each([1, 2, 7, 64])('does not depend on the batch size: %i', async (batchSize) => {
    expectSame(await score(documents, { batchSize }), await score(documents));
  });

  it('does not depend on the order of documents or on the company they are in', async () => {
    const expected = await score(documents);
    expectSame((await score([...documents].reverse())).toReversed(), expected);
    const alone: DocumentLoss[] = [];
    for (const document of documents) alone.push(...(await score([document])));
    expectSame(alone, expected);
    const twice = await score([...documents, ...documents]);
    expectSame(twice.slice(documents.length), twice.slice(0, documents.length));
  });

  it('gives a random model about the loss of chance', async () => {
    const losses = await score(documents);
    const sum = (part: 'nats' | 'tokens') => losses.reduce((total, loss) => total + loss[part], 0);
    expect(sum('nats') / sum('tokens')).toBeGreaterThan(Math.log(config.vocabSize) - 0.5);
  });
});
