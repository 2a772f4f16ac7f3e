import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dataset, type OpenDatasetOptions, openDataset } from '../../../src/data/dataset-files.ts';
import { sha256 } from './hub-server.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-own-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const full = join(folder, path);
  await mkdir(join(full, '..'), { recursive: true });
  await writeFile(full, content);
  return full;
}

function putTable(path: string, columns: Readonly<Record<string, unknown[]>>, options: object = {}): string {
  const filename = join(folder, path);
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data }));
  parquetWriteFile({ filename, columnData, ...options });
  return filename;
}

async function textsOf(dataset: Dataset): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of dataset.documents()) texts.push(text);
  return texts;
}

const read = async (path: string, options?: OpenDatasetOptions) => textsOf(await openDataset(path, options));

describe('a .jsonl file', () => {
  it('is one document a line, whose text may hold anything', async () => {
    const texts = ['one\n\n<|endoftext|>\ntwo', 'é🙂 "quoted"', ' spaced '];
    const lines = texts.map((text, id) => JSON.stringify({ id, text }));
    const path = await put('a.jsonl', `\uFEFF${lines.join('\r\n')}\n\n  \n${JSON.stringify({ text: ' \n' })}`);
    expect(await read(path)).toEqual(texts);
    expect((await openDataset(path)).name).toBe('a.jsonl');
  });

  it('may have its texts in another field, named after the path', async () => {
    const path = await put('a.jsonl', '{"text": "no", "story": "yes"}\n{"story": "again"}');
    const dataset = await openDataset(`${path}#story`);
    expect(dataset.name).toBe('a.jsonl#story');
    expect(await textsOf(dataset)).toEqual(['yes', 'again']);
    // The cache of tokens must not take one field for the other.
    expect(dataset.reading).not.toBe((await openDataset(path)).reading);
    await put('b.jsonl#story', 'a file of that very name is a text');
    expect(await read(join(folder, 'b.jsonl#story'))).toEqual(['a file of that very name is a text']);
  });

  it.each([
    ['{"text": "a"}\n\n{"text": "b"\n', /on line 3 of .*a\.jsonl/],
    ['{"text": "a"}\n[1]\n', /JSON object with text on line 2 .*a list/],
    ['{"text": "a"}\n"b"\n', /JSON object with text on line 2/],
    ['{"text": "a\\ud83d\\ude42"}\n{"text": "\\ud83d!"}\n', /line 2 .*surrogate/],
    ['{"title": "a", "body": "b"}\n', /"text" on line 1 .*no such field .*title, body.*file\.jsonl#field/],
    ['{"text": null}\n', /line 1 .*null in it/],
    ['{"text": 5}', /line 1 .*number in it/],
  ])('is refused at the line that is wrong: %j', async (content, message) => {
    const path = await put('a.jsonl', content);
    await expect(read(path)).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('cuts very long records into parts, so that memory stays small', async () => {
    const long = 'word '.repeat(500_000);
    const parts = await read(await put('a.jsonl', JSON.stringify({ text: long })));
    expect(parts.length).toBe(3);
    expect(parts.join('')).toBe(long);
  });
});

describe('a .parquet file', () => {
  const texts = Array.from({ length: 250 }, (_, index) => `row ${index} é🙂\n`);

  it('is one document a row, over all row groups and in their order', async () => {
    const path = putTable('a.parquet', { id: texts.map((_, index) => index), text: texts }, { rowGroupSize: 100 });
    expect(await read(path)).toEqual(texts);
    expect(await read(path)).toEqual(texts);
  });

  it('may be compressed', async () => {
    const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));
    const path = putTable('a.parquet', { text: texts }, { codec: 'GZIP', compressors: { GZIP: gzip } });
    expect(await read(path)).toEqual(texts);
  });

  it('may have its texts in another column, and says which there are', async () => {
    const path = putTable('a.parquet', { title: ['a'], story: ['yes'] });
    expect(await read(`${path}#story`)).toEqual(['yes']);
    await expect(read(path)).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message: expect.stringMatching(/column "text", got title, story/),
    });
  });

  it('is refused at a row that is no text', async () => {
    await expect(read(putTable('a.parquet', { text: ['a', null] }))).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message: expect.stringContaining('got nothing in row 2'),
    });
    await expect(read(putTable('b.parquet', { text: [1, 2] }))).rejects.toMatchObject({ code: 'DATASET_INVALID' });
  });

  it('is refused when truncated, damaged or no such file', async () => {
    const path = putTable('a.parquet', { text: texts });
    const whole = await import('node:fs/promises').then(({ readFile }) => readFile(path));
    const damaged = Uint8Array.from(whole);
    damaged.fill(0xff, 4, 200);
    for (const content of [damaged, new TextEncoder().encode('not a table at all'), whole.subarray(4)]) {
      await expect(read(await put('bad.parquet', content))).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
    }
    await truncate(path, whole.length - 20);
    await expect(read(path)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });
});

describe('a folder', () => {
  it('is read in the order of its paths, without what is hidden, linked or of another kind', async () => {
    const outside = await put('outside.txt', 'outside');
    await put('own/b.txt', 'one\n<|endoftext|>\ntwo\n');
    await put('own/a/z.jsonl', '{"text": "first"}\n');
    await put('own/c.TXT', 'last');
    await put('own/.hidden.txt', 'hidden');
    await put('own/.git/x.txt', 'hidden');
    await put('own/notes.pdf', 'pdf');
    await symlink(outside, join(folder, 'own', 'link.txt'));
    await symlink(folder, join(folder, 'own', 'loop'));
    putTable('own/bb.parquet', { text: ['row'] });
    const dataset = await openDataset(join(folder, 'own'));
    expect(await textsOf(dataset)).toEqual(['first', 'one', 'two', 'row', 'last']);
    expect(dataset.name).toBe('own');
    expect(dataset.skipped?.map((path) => path.slice(folder.length + 1))).toEqual([
      join('own', 'link.txt'),
      join('own', 'loop'),
      join('own', 'notes.pdf'),
    ]);
  });

  it('has a hash that anybody can make again', async () => {
    await put('own/b.txt', 'two');
    await put('own/a/a.txt', 'one');
    const lines = `${sha256('one')}  a/a.txt\n${sha256('two')}  b.txt\n`;
    const dataset = await openDataset(join(folder, 'own'));
    expect(dataset.sha256).toBe(createHash('sha256').update(lines).digest('hex'));
    await put('own/b.txt', 'new');
    expect((await openDataset(join(folder, 'own'))).sha256).not.toBe(dataset.sha256);
  });

  it('is refused without a file that can be read', async () => {
    await put('own/a.pdf', 'pdf');
    await expect(openDataset(join(folder, 'own'))).rejects.toMatchObject({
      code: 'TEXT_EMPTY',
      message: expect.stringMatching(/\.txt, \.jsonl, \.ndjson, \.parquet .*others \(such as a\.pdf\)/),
    });
  });
});

describe('a text of the user', () => {
  it('has no fields if it is a text file', async () => {
    const path = await put('a.txt', 'text');
    await expect(openDataset(`${path}#story`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(openDataset(`${path}#`)).rejects.toMatchObject({ code: 'DATASET_UNKNOWN' });
  });

  it('can be divided into documents to train and to validate on', async () => {
    const texts = Array.from({ length: 300 }, (_, index) => `story ${index}`);
    const path = await put('a.txt', texts.join('\n<|endoftext|>\n'));
    const train = await openDataset(path, { split: 'train', holdOut: true });
    const valid = await openDataset(path, { split: 'valid', holdOut: true });
    const [kept, held] = [await textsOf(train), await textsOf(valid)];
    expect(held.length).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(250);
    expect([...kept, ...held].sort()).toEqual([...texts].sort());
    expect([train.split, valid.split]).toEqual(['train', 'valid']);
    expect(train.reading).not.toBe(valid.reading);
    expect(await read(path, { split: 'train' })).toEqual(texts);
    expect(await read(path, { split: 'test', holdOut: true })).toEqual(texts);
  });

  it('is trained on whole if it is one document, and says so', async () => {
    const path = await put('a.txt', 'one document');
    expect(await read(path, { split: 'train', holdOut: true })).toEqual(['one document']);
    await expect(openDataset(path, { split: 'valid', holdOut: true })).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      message: expect.stringContaining('<|endoftext|>'),
    });
  });
});
