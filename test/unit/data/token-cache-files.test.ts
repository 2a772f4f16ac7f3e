import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Dataset, openDataset } from '../../../src/data/dataset-files.ts';
import { type CachedTokens, loadTokens } from '../../../src/data/token-cache-files.ts';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';
import { createTokenizer, type Tokenizer } from '../../../src/text/tokenizer.ts';

const documents = ['The dog ran.', 'é 🙂', 'the sea <|endoftext|> the sea'];
let tokenizer: Tokenizer;
let folder: string;
let cacheDir: string;
let dataset: Dataset;

beforeAll(async () => {
  const { tokenizerJson } = await trainBpe(documents, { vocabSize: 270 });
  tokenizer = createTokenizer(tokenizerJson);
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-tokens-'));
  cacheDir = join(folder, 'cache');
  await writeFile(join(folder, 'my.txt'), documents.join('\n<|endoftext|>\n'));
  dataset = await openDataset(join(folder, 'my.txt'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

function decodeDocuments({ tokens, documentStarts }: CachedTokens): string[] {
  return Array.from(documentStarts, (start, index) => {
    expect(tokens[start]).toBe(tokenizer.eosId);
    return tokenizer.decode(tokens.subarray(start + 1, documentStarts[index + 1] ?? tokens.length));
  });
}

describe('loadTokens', () => {
  it('does not take one field of a file for another, nor what is trained on for what is held out', async () => {
    const path = join(folder, 'rows.jsonl');
    const rows = Array.from({ length: 40 }, (_, index) => JSON.stringify({ text: `a ${index}`, other: `b ${index}` }));
    await writeFile(path, rows.join('\n'));
    const opened = await Promise.all([
      openDataset(path),
      openDataset(`${path}#other`),
      openDataset(path, { split: 'train', holdOut: true }),
      openDataset(path, { split: 'valid', holdOut: true }),
    ]);
    const paths: string[] = [];
    for (const one of opened) {
      const { cache } = await loadTokens(one, tokenizer, 'tokenizer', { cacheDir });
      expect(cache.status).toBe('built');
      paths.push(cache.path);
    }
    expect(new Set(paths).size).toBe(4);
  });

  it('puts the mark before each document and nowhere else', async () => {
    const loaded = await loadTokens(dataset, tokenizer, 'hash', { cacheDir });
    expect(loaded).toMatchObject({ name: 'my.txt', cache: { status: 'built' } });
    expect(decodeDocuments(loaded)).toEqual(documents);
    expect(loaded.tokens).toBeInstanceOf(Uint16Array);
    expect(loaded.tokens.filter((id) => id === tokenizer.eosId)).toHaveLength(documents.length);
    expect(loaded.totalBytes).toBe(12 + 7 + 29);
  });

  it('gives the same from the cache', async () => {
    const { cache: built, ...first } = await loadTokens(dataset, tokenizer, 'hash', { cacheDir });
    const { cache: hit, ...second } = await loadTokens(dataset, tokenizer, 'hash', { cacheDir });
    expect(second).toEqual(first);
    expect([built.status, hit.status]).toEqual(['built', 'hit']);
    expect(await readdir(join(cacheDir, 'tokens'))).toHaveLength(1);
  });

  it('keeps other texts, tokenizers and ways to split apart', async () => {
    const paths = new Set([(await loadTokens(dataset, tokenizer, 'hash', { cacheDir })).cache.path]);
    const others: [Dataset, string][] = [
      [dataset, 'other'],
      [{ ...dataset, separator: 'wikitext-pages' }, 'hash'],
      [{ ...dataset, sha256: '00' }, 'hash'],
    ];
    for (const [other, hash] of others) {
      const { cache } = await loadTokens(other, tokenizer, hash, { cacheDir });
      expect(cache.status).toBe('built');
      paths.add(cache.path);
    }
    expect(paths.size).toBe(4);
  });

  it.each<[string, (file: Buffer) => Buffer]>([
    ['truncated', (file) => file.subarray(0, -1)],
    ['cut to nothing', (file) => file.subarray(0, 0)],
    ['longer', (file) => Buffer.concat([file, Buffer.of(0)])],
    ['altered in a token', (file) => Buffer.concat([file.subarray(0, -1), Buffer.of(0xff)])],
    ['altered in its totals', (file) => Buffer.concat([file.subarray(0, 24), Buffer.alloc(8), file.subarray(32)])],
    ['something else', () => Buffer.alloc(500, 'x')],
    ['of another version', (file) => Buffer.concat([file.subarray(0, 8), Buffer.of(9), file.subarray(9)])],
  ])('rebuilds a file that is %s', async (_, damage) => {
    const { cache, ...first } = await loadTokens(dataset, tokenizer, 'hash', { cacheDir });
    await writeFile(cache.path, damage(await readFile(cache.path)));
    const { cache: rebuilt, ...second } = await loadTokens(dataset, tokenizer, 'hash', { cacheDir });
    expect(rebuilt.status).toBe('rebuilt');
    expect(second).toEqual(first);
    expect((await loadTokens(dataset, tokenizer, 'hash', { cacheDir })).cache.status).toBe('hit');
  });

  it('works without a place to keep the tokens', async () => {
    await writeFile(join(folder, 'in-the-way'), '');
    const loaded = await loadTokens(dataset, tokenizer, 'hash', { cacheDir: join(folder, 'in-the-way') });
    expect(loaded.cache.status).toBe('unwritable');
    expect(decodeDocuments(loaded)).toEqual(documents);
  });

  it('takes the folder from the environment', async () => {
    vi.stubEnv('ITERA_CACHE_DIR', join(folder, 'elsewhere'));
    const { cache } = await loadTokens(dataset, tokenizer, 'hash');
    expect(cache.path.startsWith(join(folder, 'elsewhere'))).toBe(true);
  });

  it('uses uint32 for a large vocabulary, and keeps it in the cache', async () => {
    const large: Tokenizer = { ...tokenizer, vocabSize: 70_000, encode: () => Uint32Array.of(69_999) };
    for (const status of ['built', 'hit']) {
      const loaded = await loadTokens(dataset, large, 'large', { cacheDir });
      expect(loaded.cache.status).toBe(status);
      expect(loaded.tokens).toEqual(Uint32Array.of(0, 69_999, 0, 69_999, 0, 69_999));
    }
  });

  it('tells how far it is and stops when told', async () => {
    const seen: unknown[] = [];
    await loadTokens(dataset, tokenizer, 'hash', { cacheDir, onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([
      { documents: 1, bytes: 12 },
      { documents: 2, bytes: 19 },
      { documents: 3, bytes: 48 },
    ]);
    const signal = AbortSignal.abort();
    await expect(loadTokens(dataset, tokenizer, 'new', { cacheDir, signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});
