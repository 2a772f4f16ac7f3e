import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from './command-line.ts';

const bundled = fileURLToPath(new URL('../../../models/itera-lite-micro', import.meta.url));

let dir: string;
const at = (...names: string[]): string => join(dir, ...names);

/** The bytes of the bundled weights with the last one made NaN. */
async function withNaN(): Promise<Uint8Array> {
  const bytes = Uint8Array.from(await readFile(join(bundled, 'model.safetensors')));
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, Number.NaN, true);
  return bytes;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-bad-'));
  await writeFile(at('good.txt'), 'The dog sat. The cat ran.');
  await writeFile(at('empty.txt'), '');
  await writeFile(at('blank.txt'), ' \n\t\n<|endoftext|>\n \n');
  // A lone continuation byte after 6 good ones.
  await writeFile(at('latin.txt'), Uint8Array.of(0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0xe9, 0x20, 0x21));
  await writeFile(at('recipe.json'), '{"name": "x"}');
  await writeFile(at('broken.json'), '{');
  for (const split of ['train', 'valid', 'test']) {
    await mkdir(at('data', 'tinystories'), { recursive: true });
    await writeFile(at('data', 'tinystories', `${split}.txt`), 'Not the published text.');
  }
  for (const name of ['cut', 'nan', 'foreign']) await cp(bundled, at(name), { recursive: true });
  await writeFile(
    at('cut', 'model.safetensors'),
    (await readFile(join(bundled, 'model.safetensors'))).subarray(0, -10),
  );
  await writeFile(at('nan', 'model.safetensors'), await withNaN());
  await rm(at('foreign', 'itera.json'));
  await mkdir(at('no-model'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('bad input exits with 1 and its code on stderr, nothing on stdout', () => {
  it.each<[line: string, says: RegExp]>([
    ['generate Once --model nowhere', /^FILE_NOT_FOUND: .*\(itera-lite-micro, .*\), got "nowhere"\.$/],
    ['generate Once --model DIR/no-model', /^MODEL_INVALID: .*lacks config\.json/],
    ['generate Once --model DIR/cut', /^WEIGHTS_INVALID: .*cut/],
    ['run --model DIR/nan --out DIR/report', /^WEIGHTS_INVALID: .*NaN/],
    ['evaluate --model DIR/nan --dataset DIR/good.txt', /^WEIGHTS_INVALID: .*NaN/],
    ['evaluate --dataset DIR/none.txt --json', /^DATASET_UNKNOWN: .*stories, articles, tinystories, wikitext-2/],
    ['evaluate --dataset DIR/no-model', /^TEXT_EMPTY: .*\.txt, \.jsonl, .*no-model, got none/],
    ['evaluate --dataset DIR/empty.txt --json', /^TEXT_EMPTY: .*empty\.txt/],
    ['evaluate --dataset DIR/blank.txt', /^TEXT_EMPTY: .*blank\.txt/],
    ['evaluate --dataset DIR/latin.txt', /^TEXT_INVALID_UTF8: .*\b6\b/],
    ['evaluate --dataset tinystories', /^DATASET_UNAVAILABLE: .*--data-dir or ITERA_DATA_DIR/],
    ['evaluate --dataset tinystories --data-dir DIR', /^DATASET_UNAVAILABLE: .*there is no file/],
    ['evaluate --dataset tinystories --data-dir DIR/data', /^FILE_CORRUPT: .*have sha256 2b40b178/],
    ['evaluate --dataset tinystories --split valid --data-dir DIR/data', /^FILE_CORRUPT: .*have sha256 61779ef0/],
    ['evaluate --dataset DIR/good.txt --model DIR/foreign --save', /^MODEL_INVALID: .*itera\.json/],
    ['run --dataset DIR/none.txt --out DIR/report', /^DATASET_UNKNOWN/],
    ['run --dataset DIR/good.txt --out DIR/good.txt/report', /^OUTPUT_UNWRITABLE: .*good\.txt is a file/],
    ['run --data-dir DIR/data --out DIR/report', /^FILE_CORRUPT: .*tinystories/],
    ['train --recipe DIR/none.json', /^FILE_NOT_FOUND: .*none\.json/],
    ['train --recipe DIR/broken.json', /^CONFIG_INVALID: .*broken\.json/],
    ['train --recipe DIR/recipe.json', /^CONFIG_INVALID: /],
  ])('%s', async (line, says) => {
    const { code, stdout, stderr } = await command(...line.split(' ').map((word) => word.replace('DIR', dir)));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    // Stages that were begun are told before it.
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('writes nothing beside it', async () => {
    await command('run', '--dataset', at('none.txt'), '--out', at('other', 'report'));
    expect(await readdir(dir)).not.toContain('other');
  });
});

it('lets people train on another cut of a known text', async () => {
  const { code, stdout } = await command(
    ...['evaluate', '--dataset', 'tinystories', '--split', 'train', '--data-dir', at('data'), '--json'],
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    records: [{ conditions: { dataset: 'tinystories', split: 'train' } }, {}, {}, {}],
  });
});
