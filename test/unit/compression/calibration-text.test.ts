import { describe, expect, it } from 'vitest';
import { cutWindows } from '../../../src/compression/calibration-text.ts';
import { writeWindows } from '../../../src/compression/generated-text.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { plainDocument } from '../../../src/data/documents.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { padRows } from '../../../src/runtime/padded-rows.ts';
import { createSession } from '../../../src/runtime/session.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

/** A token for each character, its code; the end-of-text mark is 0. */
const tokenizer = { eosId: 0, encode: (text: string) => Uint32Array.from(text, (c) => c.charCodeAt(0)) } as Tokenizer;

const documents = ['ab', 'c'.repeat(7), 'de'.repeat(20), '', 'fgh'].map(plainDocument);

const spell = (windows: readonly Uint32Array[]): string[] =>
  windows.map((window) => String.fromCharCode(...window).replaceAll('\0', '|'));

describe('cutWindows', () => {
  it('takes short documents whole, after the mark, and of long ones a piece of the length of a window', () => {
    const windows = cutWindows(documents, tokenizer, { tokens: 20, windowTokens: 8 }, 1);
    expect(spell(windows).sort()).toEqual([expect.stringMatching(/^(de){4}$|^(ed){4}$/), '|ab', '|ccccccc', '|fgh']);
  });

  it('takes all of a text that is too short, each token once, but for what is left of one token', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const windows = spell(cutWindows(documents, tokenizer, { tokens: 1000, windowTokens: 8 }, seed));
      expect(windows.every((window) => window.length >= 2 && window.length <= 8)).toBe(true);
      expect([...windows.join('')].sort().join('')).toMatch(/^abc{7}d{18,20}e{18,20}fgh\|{3,4}$/);
    }
  });

  it('takes more than one window of a long document only where others are too short', () => {
    const long = [plainDocument('x'.repeat(100)), plainDocument('yy'), plainDocument('z'.repeat(30))];
    const windows = spell(cutWindows(long, tokenizer, { tokens: 40, windowTokens: 10 }, 3));
    expect(
      windows
        .slice(0, 3)
        .map((window) => window.at(-1))
        .sort(),
    ).toEqual(['x', 'y', 'z']);
    expect(
      windows
        .slice(0, 3)
        .map(({ length }) => length)
        .sort(),
    ).toEqual([10, 10, 3]);
    expect(windows.length).toBeGreaterThan(4);
    expect(windows.join('').length).toBeLessThan(50);
  });

  it('stops when it has enough, and draws otherwise for another seed', () => {
    const many = Array.from({ length: 40 }, (_, index) => plainDocument(String.fromCharCode(65 + index).repeat(3)));
    const cut = (seed: number) => cutWindows(many, tokenizer, { tokens: 20, windowTokens: 8 }, seed);
    expect(cut(1)).toHaveLength(5);
    expect(cut(1)).toEqual(cut(1));
    expect(cut(2)).not.toEqual(cut(1));
  });

  it('refuses a text without tokens', () => {
    const cut = () => cutWindows([plainDocument('')], tokenizer, { tokens: 9, windowTokens: 4 }, 1);
    expect(cut).toThrow(expect.objectContaining({ code: 'TEXT_EMPTY' }));
  });
});

describe('writeWindows', () => {
  const config = toyConfig();
  const graph = () => buildInferenceGraph(config, randomWeights(config, 5));

  it('begins with the mark, and draws each token as often as the model expects it', async () => {
    const size = { tokens: 2400, windowTokens: 3 };
    const windows = await writeWindows(graph(), config, size, 1);
    expect(windows).toHaveLength(800);
    const counts = new Float64Array(config.vocabSize);
    for (const window of windows) {
      expect([window.length, window[0]]).toEqual([3, config.eosTokenId]);
      counts[window[1] as number] = (counts[window[1] as number] as number) + 1;
    }
    const session = await createSession(encodeOnnx(graph()));
    const { logits } = await session.run(padRows([Uint32Array.of(config.eosTokenId, 0)], config).feeds);
    await session.release();
    const weights = Array.from(logits?.data as Float32Array, Math.exp);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, token) => {
      const p = weight / total;
      // Five standard deviations of a count of 800 draws.
      const tolerance = 5 * Math.sqrt(800 * p * (1 - p)) + 1;
      expect(Math.abs((counts[token] as number) - 800 * p)).toBeLessThan(tolerance);
    });
  });

  it('begins with any token, each as often, if asked to', async () => {
    const size = { tokens: 2900 * 2, windowTokens: 2 };
    const windows = await writeWindows(graph(), config, size, 1, { anyBeginning: true });
    const counts = new Float64Array(config.vocabSize);
    for (const [, first] of windows) counts[first as number] = (counts[first as number] as number) + 1;
    // 100 of each of the 29 tokens, five standard deviations of about 10 more or less.
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(50);
  });

  it('draws given all that it has written: the surprise of its texts is their entropy', async () => {
    const size = { tokens: 60 * 64, windowTokens: 64 };
    const windows = await writeWindows(graph(), config, size, 3);
    const session = await createSession(encodeOnnx(graph()));
    const { targets, feeds } = padRows(windows, config);
    const results = await session.run(feeds);
    await session.release();
    const logits = results['logits'] as Tensor<'float32'>;
    let excess = 0;
    targets.forEach((target, position) => {
      const scores = logits.data.subarray(position * config.vocabSize, (position + 1) * config.vocabSize);
      const normalizer = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
      const entropy = scores.reduce((sum, score) => sum + Math.exp(score - normalizer) * (normalizer - score), 0);
      excess += normalizer - (scores[Number(target)] as number) - entropy;
    });
    // Its deviation is about 1 nat over the root of 3,780 tokens; texts drawn from elsewhere in them exceed by 1 nat.
    expect(Math.abs(excess / targets.length)).toBeLessThan(0.05);
  });

  it('writes the same for the same seed, and other texts for another', async () => {
    const size = { tokens: 48, windowTokens: 16 };
    const windows = await writeWindows(graph(), config, size, 3);
    expect(await writeWindows(graph(), config, size, 3)).toEqual(windows);
    expect(await writeWindows(graph(), config, size, 4)).not.toEqual(windows);
  });
});
