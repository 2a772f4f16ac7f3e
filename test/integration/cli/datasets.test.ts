import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DownloadedSplit } from '../../../src/data/dataset-download-file.ts';
import type { DatasetListing } from '../../../src/data/dataset-files.ts';
import { type HubServer, startHub } from '../../unit/data/hub-server.ts';
import { cacheDir, command } from './command-line.ts';

let hub: HubServer;
let dir: string;

beforeAll(async () => {
  hub = await startHub();
  dir = await mkdtemp(join(tmpdir(), 'itera-datasets-'));
  const rows = Array.from({ length: 60 }, (_, index) => ['', ` = Hill ${index} = \n`, '', ` It is high . \n`]).flat();
  const table = parquetWriteBuffer({ columnData: [{ name: 'text', data: rows, type: 'STRING' }] });
  for (const split of ['train', 'validation', 'test']) {
    hub.files.set(`wikitext-2-raw-v1/${split}-00000-of-00001.parquet`, new Uint8Array(table));
  }
});

afterAll(async () => {
  await hub.close();
  await rm(dir, { recursive: true });
  await rm(cacheDir, { recursive: true, force: true });
});

async function commandWith(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]));
  Object.assign(process.env, env);
  try {
    return await command(...args);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

describe('itera-lite datasets', () => {
  it('explains itself with examples', async () => {
    const list = await command('datasets', '--help');
    expect(list.stdout).toMatch(/download .*name/);
    const download = await command('datasets', 'download', '--help');
    expect(download.stdout).toContain('itera-lite datasets download wikitext-2');
    expect(download.stdout).toMatch(/HF_ENDPOINT.*HF_TOKEN.*HF_HUB_OFFLINE=1/);
  });

  it('downloads from a mirror, with a token, and lists what is in the cache', async () => {
    const env = { HF_ENDPOINT: `${hub.endpoint}/`, HF_TOKEN: 'hf_abc' };
    const args = ['datasets', 'download', 'wikitext-2', '--split', 'train', '--json'];
    const ended = await commandWith(env, ...args);
    expect(ended.stderr).toMatch(/kilobytes/);
    expect(ended.code).toBe(0);
    const [made] = JSON.parse(ended.stdout) as DownloadedSplit[];
    expect(made).toMatchObject({ dataset: 'wikitext-2', split: 'train', status: 'downloaded' });
    expect((await readFile(made?.path ?? '', 'utf8')).startsWith(' \n = Hill 0 = \n \n It is high . \n')).toBe(true);
    expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_abc']));

    const listed = await command('datasets', '--json');
    const listings = JSON.parse(listed.stdout) as DatasetListing[];
    expect(listings.find(({ entry }) => entry.name === 'wikitext-2')?.splits[0]).toMatchObject({
      path: made?.path,
      place: 'cache',
    });
    const lines = (await command('datasets')).stdout;
    expect(lines).toContain(`  train  ${made?.path} (cache)\n`);
    expect(lines).toContain('  test   not on this machine (to download: about 1 MB)\n');

    const again = await commandWith({ HF_HUB_OFFLINE: '1' }, ...args);
    expect(JSON.parse(again.stdout)).toMatchObject([{ status: 'present' }]);
  });

  it('fails with a code and what to do', async () => {
    const offline = await commandWith({ HF_HUB_OFFLINE: '1' }, 'datasets', 'download', 'tinystories');
    expect(offline).toMatchObject({ code: 1, stdout: '' });
    expect(offline.stderr).toMatch(/^DATASET_UNAVAILABLE: .*HF_HUB_OFFLINE/m);
    const wrong = await commandWith({ HF_ENDPOINT: hub.endpoint }, 'datasets', 'download', 'wikitext-2');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/^FILE_CORRUPT: .*4cd0f687/m);
    const unknown = await command('datasets', 'download', 'wikipedia');
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('tinystories, wikitext-2') });
    for (const args of [
      ['datasets', 'download'],
      ['datasets', 'download', 'wikitext-2', '--split', 'dev'],
    ]) {
      expect((await command(...args)).code).toBe(2);
    }
    const absent = await command('evaluate', '--dataset', 'wikitext-2');
    expect(absent.stderr).toContain('itera-lite datasets download wikitext-2 --split test');
  });
});

describe('itera-lite evaluate', () => {
  it('scores records and folders of the user, and says what it did not read', async () => {
    await writeFile(join(dir, 'a.jsonl'), '{"body": "The dog sat."}\n{"body": "The cat ran to the tree."}\n');
    await writeFile(join(dir, 'b.csv'), 'a,b');
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const ended = await command('evaluate', '--dataset', `${dir}#body`, '--json');
    vi.unstubAllEnvs();
    expect(ended.stderr).toContain('1 files of other kinds were not read');
    expect(ended.code).toBe(0);
    const { records } = JSON.parse(ended.stdout) as { records: { metric: string; n: number; method: string }[] };
    expect(records.find(({ metric }) => metric === 'bits_per_byte')?.method).toContain('all 2 documents');
  });
});
