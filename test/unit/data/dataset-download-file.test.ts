import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type DownloadDatasetOptions,
  type DownloadProgress,
  downloadDataset,
} from '../../../src/data/dataset-download-file.ts';
import { listDatasets, openDataset } from '../../../src/data/dataset-files.ts';
import { type DatasetEntry, findDatasetEntry, type Split } from '../../../src/data/dataset-registry.ts';
import { validationStories } from '../../../src/data/hub-texts.ts';
import { readPreparedRecord } from '../../../src/data/prepared-dataset-file.ts';
import { commit, type HubServer, sendAndCut, sha256, startHub } from './hub-server.ts';

let hub: HubServer;
let cacheDir: string;
let options: DownloadDatasetOptions;

beforeEach(async () => {
  hub = await startHub();
  cacheDir = await mkdtemp(join(tmpdir(), 'itera-cache-'));
  options = { cacheDir, settings: { endpoint: hub.endpoint, offline: false }, retry: { wait: async () => undefined } };
  vi.stubEnv('ITERA_DATA_DIR', '');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(cacheDir, { recursive: true });
});

const table = (rows: readonly string[]): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: 'text', data: [...rows], type: 'STRING' }], rowGroupSize: 1000 }),
  );

/** Rows as the Hub's table has them: lines with their break, blank ones emptied. */
const wikiTextRows = (text: string): string[] =>
  (text.match(/[^\n]*\n/g) ?? []).map((line) => (line.trim() === '' ? '' : line));

/** The registry's entry with the hashes of other texts. */
function entryFor(name: string, texts: Partial<Record<Split, string>>): DatasetEntry {
  const entry = findDatasetEntry(name) as DatasetEntry;
  const hashes = Object.entries(texts).map(([split, text]) => [split, sha256(text)]);
  return { ...entry, sha256: Object.fromEntries(hashes) };
}

const article = (name: string): string =>
  ` \n = ${name} = \n \n It is 3 @.@ 5 m high . \n \n = = Past = = \n \n Old . \n`;
const wikiText = {
  train: Array.from({ length: 700 }, (_, index) => article(`Tower ${index}`)).join(''),
  valid: article('Bridge'),
  test: article('Wall'),
};
const wiki = entryFor('wikitext-2', wikiText);

function serveWikiText(): void {
  hub.files.set('wikitext-2-raw-v1/train-00000-of-00002.parquet', table(wikiTextRows(wikiText.train).slice(0, 2500)));
  hub.files.set('wikitext-2-raw-v1/train-00001-of-00002.parquet', table(wikiTextRows(wikiText.train).slice(2500)));
  hub.files.set('wikitext-2-raw-v1/validation-00000-of-00001.parquet', table(wikiTextRows(wikiText.valid)));
  hub.files.set('wikitext-2-raw-v1/test-00000-of-00001.parquet', table(wikiTextRows(wikiText.test)));
}

const contentRequests = () => hub.requests.filter(({ path }) => path.includes('/resolve/'));

describe('downloading wikitext-2', () => {
  it('gives the raw files byte for byte, with a record of where they came from', async () => {
    serveWikiText();
    const progress: DownloadProgress[] = [];
    const done = await downloadDataset(wiki, { ...options, onProgress: (state) => progress.push(state) });
    expect(done.map(({ split, sha256: hash, status }) => [split, hash, status])).toEqual(
      (['train', 'valid', 'test'] as const).map((split) => [split, sha256(wikiText[split]), 'downloaded']),
    );
    for (const { path, split } of done) expect(await readFile(path, 'utf8')).toBe(wikiText[split]);
    const record = await readPreparedRecord(join(cacheDir, 'datasets', 'wikitext-2', 'train.json'));
    const url = `${hub.endpoint}/datasets/Salesforce/wikitext/resolve/${commit}/wikitext-2-raw-v1`;
    expect(record).toMatchObject({
      dataset: 'wikitext-2',
      split: 'train',
      sha256: sha256(wikiText.train),
      sizeBytes: wikiText.train.length,
      source: { repository: 'Salesforce/wikitext', revision: 'main', commit },
    });
    expect(record?.source.files.map((file) => [file.url, file.hash])).toEqual([
      [`${url}/train-00000-of-00002.parquet`, sha256(hub.files.get('wikitext-2-raw-v1/train-00000-of-00002.parquet')!)],
      [`${url}/train-00001-of-00002.parquet`, sha256(hub.files.get('wikitext-2-raw-v1/train-00001-of-00002.parquet')!)],
    ]);
    const total = [...hub.files.values()].reduce((sum, { length }) => sum + length, 0);
    expect(progress.at(-1)).toMatchObject({ doneBytes: total, totalBytes: total, etaSeconds: 0 });
    expect(progress.every(({ bytesPerSecond }) => bytesPerSecond >= 0)).toBe(true);
    expect((await readdir(join(cacheDir, 'datasets', 'wikitext-2'))).sort()).toEqual(
      ['test', 'train', 'valid'].flatMap((split) => [`${split}.json`, `${split}.txt`]),
    );
  });

  it('downloads only what is asked for and missing, and again when forced', async () => {
    serveWikiText();
    await downloadDataset(wiki, { ...options, splits: ['test'] });
    expect(contentRequests()).toHaveLength(1);
    hub.requests.length = 0;
    const [again] = await downloadDataset(wiki, { ...options, splits: ['test'] });
    expect(again?.status).toBe('present');
    expect(hub.requests).toEqual([]);
    await downloadDataset(wiki, { ...options, splits: ['test'], force: true });
    expect(contentRequests()).toHaveLength(1);
    // A text that has been altered is not taken for the one that was prepared.
    await writeFile(again?.path as string, article('Hall'));
    const [repaired] = await downloadDataset(wiki, { ...options, splits: ['test'] });
    expect(repaired?.status).toBe('downloaded');
  });

  it('goes on after a stop, and is found by name when it is done', async () => {
    serveWikiText();
    const first = hub.files.get('wikitext-2-raw-v1/train-00000-of-00002.parquet') as Uint8Array;
    const controller = new AbortController();
    hub.onFile = ({ headers }, response, count) => {
      if (count > 0) return false;
      sendAndCut(first, headers.range, 1000, response);
      return true;
    };
    const onProgress = ({ doneBytes }: DownloadProgress) => doneBytes === 1000 && controller.abort();
    const stopped = downloadDataset(wiki, { ...options, signal: controller.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(openDataset('wikitext-2', { split: 'train', cacheDir })).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
    });
    await downloadDataset(wiki, options);
    expect(contentRequests()[1]?.range).toBe('bytes=1000-');
    const dataset = await openDataset('wikitext-2', { split: 'train', cacheDir });
    expect(dataset).toMatchObject({ verified: true, sha256: sha256(wikiText.train) });
    const listing = (await listDatasets({ cacheDir })).find(({ entry }) => entry.name === 'wikitext-2');
    expect(listing?.splits[0]).toMatchObject({ split: 'train', place: 'cache', path: dataset.path });
    await writeFile(dataset.path, 'altered');
    await expect(openDataset('wikitext-2', { split: 'train', cacheDir })).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringContaining('itera-lite datasets download wikitext-2 --split train --force'),
    });
  });

  it('comes after the data folder', async () => {
    serveWikiText();
    await downloadDataset(wiki, options);
    const dataDir = join(cacheDir, 'data');
    await mkdir(join(dataDir, 'wikitext-2'), { recursive: true });
    await writeFile(join(dataDir, 'wikitext-2', 'train.txt'), article('Own'));
    const own = await openDataset('wikitext-2', { split: 'train', cacheDir, dataDir });
    expect(own.path).toBe(join(dataDir, 'wikitext-2', 'train.txt'));
    expect(own.verified).toBe(false);
  });

  it('refuses a text that is not the published one', async () => {
    serveWikiText();
    hub.files.set('wikitext-2-raw-v1/test-00000-of-00001.parquet', table(wikiTextRows(article('Else'))));
    await expect(downloadDataset(wiki, { ...options, splits: ['test'] })).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringContaining(sha256(wikiText.test)),
    });
    const left = await readdir(join(cacheDir, 'datasets', 'wikitext-2'));
    expect(left).toEqual(['downloads']);
  });

  it('refuses a repository that lacks a part', async () => {
    serveWikiText();
    hub.files.delete('wikitext-2-raw-v1/train-00001-of-00002.parquet');
    await expect(downloadDataset(wiki, options)).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      message: expect.stringContaining('(2 parts), got 1'),
    });
    expect(contentRequests()).toEqual([]);
  });

  it('makes no request when it is offline, and needs none for what is there', async () => {
    serveWikiText();
    const offline = { ...options, settings: { endpoint: hub.endpoint, offline: true } };
    await expect(downloadDataset(wiki, offline)).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      message: expect.stringMatching(/HF_HUB_OFFLINE.*ITERA_DATA_DIR/),
    });
    expect(hub.requests).toEqual([]);
    await downloadDataset(wiki, options);
    expect((await downloadDataset(wiki, offline)).map(({ status }) => status)).toEqual(Array(3).fill('present'));
  });

  it('may be asked for by several at once', async () => {
    serveWikiText();
    const results = await Promise.all([1, 2, 3].map(() => downloadDataset(wiki, { ...options, splits: ['test'] })));
    expect(
      results
        .flat()
        .map(({ status }) => status)
        .sort(),
    ).toEqual(['downloaded', 'present', 'present']);
    expect(contentRequests()).toHaveLength(1);
  });

  it('knows its names and splits', async () => {
    await expect(downloadDataset('wikitext', options)).rejects.toMatchObject({ code: 'DATASET_UNKNOWN' });
    await expect(downloadDataset('stories', options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const dev = { ...options, splits: ['dev' as Split] };
    await expect(downloadDataset('wikitext-2', dev)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('downloading tinystories', () => {
  const story = (index: number): string => `Once there was cat ${index}.\nIt sat.`;
  const written = (indices: readonly number[]): string =>
    indices.map((index) => `${story(index)}\n<|endoftext|>\n`).join('');
  const count = 2 * validationStories + 10;
  const numbers = Array.from({ length: count }, (_, index) => index);
  const texts = {
    valid: written(numbers.slice(0, validationStories)),
    test: written(numbers.slice(validationStories, 2 * validationStories)),
  };
  const entry = entryFor('tinystories', texts);

  function serve(): void {
    // As in the published file: a fragment first, spaces at the ends of lines, blank lines between paragraphs.
    const raw = numbers.map((index) => `${story(index).replace('\n', ' \n\n')}  \n<|endoftext|>\n`).join('');
    hub.files.set(
      'TinyStoriesV2-GPT4-valid.txt',
      new TextEncoder().encode(`d said no.\n<|endoftext|>\n${raw}Once upon`),
    );
    const rows = [story(count + 1).replace('\n', '\n\n'), story(5), '', `${story(count + 2)} `, story(count - 1)];
    hub.files.set('data/train-00000-of-00001-2d5a1467fff1081b.parquet', table(rows));
    hub.files.set('data/validation-00000-of-00001-869c898b519ad725.parquet', table(['not used']));
  }

  it('cuts valid and test from the validation file and keeps all of it out of the training text', async () => {
    serve();
    const done = await downloadDataset(entry, options);
    expect(contentRequests()).toHaveLength(2);
    const made = await Promise.all(done.map(({ path }) => readFile(path, 'utf8')));
    expect(made).toEqual([written([count + 1, count + 2]), texts.valid, texts.test]);
    const record = await readPreparedRecord(join(cacheDir, 'datasets', 'tinystories', 'train.json'));
    expect(record?.source.files.map(({ path }) => path)).toEqual([
      'data/train-00000-of-00001-2d5a1467fff1081b.parquet',
      'TinyStoriesV2-GPT4-valid.txt',
    ]);
  });

  it('does not fetch the training table for the other splits', async () => {
    serve();
    await downloadDataset(entry, { ...options, splits: ['test', 'valid'] });
    expect(contentRequests().map(({ path }) => path.split('/').at(-1))).toEqual(['TinyStoriesV2-GPT4-valid.txt']);
  });
});

const dataDir = process.env['ITERA_DATA_DIR'];

// Only where the published texts are: they are never part of the repository.
describe.runIf(dataDir)('the published texts', () => {
  const published = (name: string, split: Split) => readFile(join(dataDir as string, name, `${split}.txt`), 'utf8');

  it('come out of parquet with the sha256 of the official WikiText-2 files', async () => {
    const parts = { valid: 'validation', test: 'test' } as const;
    for (const split of ['valid', 'test'] as const) {
      const rows = wikiTextRows(await published('wikitext-2', split));
      hub.files.set(`wikitext-2-raw-v1/${parts[split]}-00000-of-00001.parquet`, table(rows));
    }
    const done = await downloadDataset('wikitext-2', { ...options, splits: ['valid', 'test'] });
    const entry = findDatasetEntry('wikitext-2');
    expect(done.map(({ sha256: hash }) => hash)).toEqual([entry?.sha256.valid, entry?.sha256.test]);
  });

  it('come out of the file of TinyStories with the sha256 that results are stated for', async () => {
    const stories = (await published('tinystories', 'valid')) + (await published('tinystories', 'test'));
    const raw = `u said no.\n<|endoftext|>\n${stories.replaceAll('.\n', '. \n\n')}Once upon a time\n<|endoftext|>\n`;
    hub.files.set('TinyStoriesV2-GPT4-valid.txt', new TextEncoder().encode(raw));
    const done = await downloadDataset('tinystories', { ...options, splits: ['valid', 'test'] });
    const entry = findDatasetEntry('tinystories');
    expect(done.map(({ sha256: hash }) => hash)).toEqual([entry?.sha256.valid, entry?.sha256.test]);
  });
});
