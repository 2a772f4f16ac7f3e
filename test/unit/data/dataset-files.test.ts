import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Dataset, listDatasets, openDataset } from '../../../src/data/dataset-files.ts';
import type { Split } from '../../../src/data/dataset-registry.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-data-'));
  vi.stubEnv('ITERA_DATA_DIR', '');
  vi.stubEnv('ITERA_CACHE_DIR', join(folder, 'cache'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const full = join(folder, path);
  await mkdir(join(full, '..'), { recursive: true });
  await writeFile(full, content);
  return full;
}

async function readTexts(dataset: Dataset): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of dataset.documents()) texts.push(text);
  return texts;
}

describe('a text file by path', () => {
  it('is a dataset without splits, readable again and again', async () => {
    const path = await put('my.txt', '\uFEFFone\n<|endoftext|>\ntwo\n');
    const dataset = await openDataset(path, { split: 'train' });
    expect(dataset).toMatchObject({
      name: 'my.txt',
      path,
      separator: 'endoftext',
      sizeBytes: 25,
      sha256: 'c07ffb7b6d7ac0774ad72e8b20c4ae5cfa859e81a6b3ecabb516b438ab2b1f8b',
    });
    expect(dataset).not.toHaveProperty('split');
    expect(dataset).not.toHaveProperty('verified');
    expect(await readTexts(dataset)).toEqual(['one', 'two']);
    expect(await readTexts(dataset)).toEqual(['one', 'two']);
  });

  it('may have characters and marks cut at any block', async () => {
    const story = `${'é🙂 story '.repeat(3001)}\n<|endoftext|>\n`;
    const texts = await readTexts(await openDataset(await put('long.txt', story.repeat(20))));
    expect(texts).toHaveLength(20);
    expect(new Set(texts)).toEqual(new Set([story.slice(0, story.indexOf('\n'))]));
  });

  it('is refused at the byte where it is not UTF-8', async () => {
    const bytes = new Uint8Array(200_000).fill(0x61);
    bytes[150_001] = 0xff;
    const dataset = await openDataset(await put('bad.txt', bytes));
    await expect(readTexts(dataset)).rejects.toMatchObject({ code: 'TEXT_INVALID_UTF8', data: { offset: 150_001 } });
    const cut = await openDataset(await put('cut.txt', Uint8Array.of(0x61, 0xe2, 0x82)));
    await expect(readTexts(cut)).rejects.toMatchObject({ code: 'TEXT_INVALID_UTF8', data: { offset: 1 } });
  });

  it('is refused when empty', async () => {
    await expect(openDataset(await put('empty.txt', ''))).rejects.toMatchObject({ code: 'TEXT_EMPTY' });
    const blank = await openDataset(await put('blank.txt', ' \n<|endoftext|>\n\n'));
    await expect(readTexts(blank)).rejects.toMatchObject({ code: 'TEXT_EMPTY' });
  });

  it('is unknown when it does not exist', async () => {
    for (const path of [join(folder, 'none.txt'), 'no-such-dataset', '', '#text']) {
      await expect(openDataset(path)).rejects.toMatchObject({
        code: 'DATASET_UNKNOWN',
        message: expect.stringContaining('stories, articles, tinystories, wikitext-2'),
      });
    }
  });

  it('stops when told, before and while reading', async () => {
    const path = await put('my.txt', 'one\n<|endoftext|>\ntwo');
    await expect(openDataset(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    const controller = new AbortController();
    const dataset = await openDataset(path, { signal: controller.signal });
    controller.abort();
    await expect(readTexts(dataset)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('a dataset by name', () => {
  it('is found in the data folder, by option or environment, and its training file need not be the published one', async () => {
    const path = await put('data/wikitext-2/train.txt', ' = A = \n\n a @-@ b \n');
    const dataset = await openDataset('wikitext-2', { split: 'train', dataDir: join(folder, 'data') });
    expect(dataset).toMatchObject({ name: 'wikitext-2', split: 'train', path, verified: false });
    expect(await readTexts(dataset)).toEqual([' = A =\n\na-b\n']);
    vi.stubEnv('ITERA_DATA_DIR', join(folder, 'data'));
    expect((await openDataset('wikitext-2', { split: 'train' })).path).toBe(path);
  });

  it('is corrupt when a scored split is not the published one', async () => {
    await put('tinystories/test.txt', 'Once upon a time');
    await expect(openDataset('tinystories', { dataDir: folder })).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });

  it('is unavailable with the way to provide it', async () => {
    await expect(openDataset('tinystories')).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      message: expect.stringMatching(
        /no data folder is set.*itera-lite datasets download tinystories --split test\. Or.*roneneldan\/TinyStories.*ITERA_DATA_DIR/,
      ),
    });
    await expect(openDataset('tinystories', { dataDir: folder })).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      message: expect.stringContaining(join(folder, 'tinystories', 'test.txt')),
    });
    await expect(openDataset('stories', { bundledDir: folder })).rejects.toMatchObject({ code: 'DATASET_UNAVAILABLE' });
  });

  it('has no other splits than its own', async () => {
    await expect(openDataset('stories', { split: 'train' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(openDataset('tinystories', { split: 'dev' as Split })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('train, valid, test'),
    });
  });

  it.each(['stories', 'articles'])('comes with the package: %s', async (name) => {
    const dataset = await openDataset(name);
    expect(dataset.path.replaceAll('\\', '/')).toMatch(new RegExp(`/texts/${name}/test\\.txt$`));
    const texts = await readTexts(dataset);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.filter((text) => text.includes('<|endoftext|>'))).toEqual([]);
  });
});

describe('listDatasets', () => {
  it('tells what is where', async () => {
    const path = await put('tinystories/valid.txt', 'abc');
    const bundled = await put('stories/test.txt', 'abcd');
    const listings = await listDatasets({ dataDir: folder, bundledDir: folder });
    expect(Object.fromEntries(listings.map(({ entry, splits }) => [entry.name, splits]))).toEqual({
      stories: [{ split: 'test', path: bundled, sizeBytes: 4, place: 'package' }],
      articles: [{ split: 'test' }],
      tinystories: [
        { split: 'train' },
        { split: 'valid', path, sizeBytes: 3, place: 'data folder' },
        { split: 'test' },
      ],
      'wikitext-2': [{ split: 'train' }, { split: 'valid' }, { split: 'test' }],
    });
  });
});
