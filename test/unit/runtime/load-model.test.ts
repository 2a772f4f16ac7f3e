import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../../../src/core/tensor.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/safetensors.ts';
import { defaultModel, loadModel, openModel } from '../../../src/runtime/load-model-file.ts';
import { createModelTokenizer } from '../../../src/runtime/model.ts';

const bundled = fileURLToPath(new URL('../../../models/itera-lite-micro', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-load-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('loadModel', () => {
  it.each([
    ['the default', undefined],
    ['a bundled model by name', 'itera-lite-micro'],
    ['a folder by path', bundled],
    ['a folder by relative path', relative(process.cwd(), bundled)],
    ['a folder by a path that ends in a slash', `${bundled}/`],
  ])('loads %s', async (_, nameOrDir) => {
    const model = await loadModel(nameOrDir);
    expect(model.config.vocabSize).toBe(model.tokenizer.vocabSize);
    expect((await model.score('Hello.')).totalLogProb).toBeLessThan(0);
    await model.release();
  });

  it.each(['itera-lite-giant', '', 'itera-lite-micro/none', '..%2fmodels', '\0'])(
    'does not find %j, and names what is bundled',
    async (name) => {
      await expect(loadModel(name)).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
        message: expect.stringContaining(defaultModel),
      });
    },
  );

  it('says how to get a model of which only the recipe is bundled', async () => {
    await expect(loadModel('itera-lite-small-2')).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/train it with itera-lite train --recipe \S*recipes.itera-lite-small-2\.json /),
    });
  });

  it('tells a folder without a model from none', async () => {
    await expect(loadModel(folder)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('config.json'),
    });
  });

  it('takes no file for a folder, and says what to give', async () => {
    await expect(loadModel(join(bundled, 'config.json'))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('Give the folder it is in'),
    });
  });

  it.each(['int5', 'FP16', 'toString', '', null])('refuses the variant %j, which does not exist', async (variant) => {
    await expect(loadModel(undefined, { variant: variant as 'fp32' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('fp32'),
    });
  });

  it('refuses a number of threads that is none', async () => {
    await expect(loadModel(undefined, { threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stops when aborted', async () => {
    const signal = AbortSignal.abort();
    await expect(loadModel(undefined, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(openModel('no-such-model', { signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

type Json = Record<string, unknown>;

/** Faults of a model folder, each made in a copy of the bundled one, and what loading it says. */
const faults: readonly (readonly [what: string, code: string, says: RegExp, damage: (dir: string) => Promise<void>])[] =
  [
    [
      'weights cut in the middle',
      'WEIGHTS_INVALID',
      /cut/,
      (dir) => edit(dir, (bytes) => bytes.subarray(0, bytes.length >> 1)),
    ],
    ['weights cut in their header', 'WEIGHTS_INVALID', /header/, (dir) => edit(dir, (bytes) => bytes.subarray(0, 100))],
    ['empty weights', 'WEIGHTS_INVALID', /empty/, (dir) => edit(dir, (bytes) => bytes.subarray(0, 0))],
    [
      'a header that claims 2^63 bytes',
      'WEIGHTS_INVALID',
      /claims 9223372036854775808 bytes/,
      (dir) => edit(dir, (bytes) => withHeader(bytes, undefined, 2n ** 63n)),
    ],
    [
      'a header that is no JSON',
      'WEIGHTS_INVALID',
      /not valid UTF-8 JSON/,
      (dir) => edit(dir, (bytes) => withHeader(bytes, '{"a":')),
    ],
    [
      'a tensor that claims more bytes than any file has',
      'WEIGHTS_INVALID',
      /larger than any file/,
      (dir) =>
        edit(dir, (bytes) =>
          withHeader(bytes, '{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}}'),
        ),
    ],
    [
      'tensors that overlap',
      'WEIGHTS_INVALID',
      /overlap/,
      (dir) =>
        edit(dir, (bytes) =>
          withHeader(
            bytes,
            '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
          ),
        ),
    ],
    [
      'a tensor named __proto__',
      'WEIGHTS_INVALID',
      /cover/,
      (dir) =>
        edit(dir, (bytes) => withHeader(bytes, '{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}')),
    ],
    [
      'a weight that is NaN',
      'WEIGHTS_INVALID',
      /holds NaN at element 3/,
      // The bits of NaN in half precision, in which the model is stored.
      (dir) => editTensors(dir, (_, tensor) => tensor.data.fill(0x7e00 as never, 3, 4)),
    ],
    [
      'a weight that is missing',
      'WEIGHTS_MISMATCH',
      /missing: model\.norm\.weight/,
      (dir) => editTensors(dir, (tensors) => tensors.delete('model.norm.weight')),
    ],
    [
      'a weight that the configuration does not have',
      'WEIGHTS_MISMATCH',
      /surplus: extra/,
      (dir) => editTensors(dir, (tensors, tensor) => tensors.set('extra', tensor)),
    ],
    [
      'a configuration of other experts',
      'WEIGHTS_MISMATCH',
      /different: .*expected float32/,
      (dir) => editJson(dir, 'config.json', (config) => ({ ...config, num_local_experts: 8 })),
    ],
    [
      'a configuration of another model',
      'CONFIG_INVALID',
      /model_type/,
      (dir) => editJson(dir, 'config.json', (config) => ({ ...config, model_type: 'llama' })),
    ],
    [
      'a configuration that contradicts itself',
      'CONFIG_INVALID',
      /hidden_size|mamba/,
      (dir) => editJson(dir, 'config.json', (config) => ({ ...config, hidden_size: 60 })),
    ],
    [
      'a configuration that is no JSON',
      'MODEL_INVALID',
      /config\.json/,
      (dir) => writeFile(join(dir, 'config.json'), '{'),
    ],
    [
      'a tokenizer that is not UTF-8',
      'MODEL_INVALID',
      /tokenizer\.json/,
      (dir) => writeFile(join(dir, 'tokenizer.json'), Uint8Array.of(0x22, 0xff, 0x22)),
    ],
    ['no tokenizer', 'MODEL_INVALID', /lacks tokenizer\.json/, (dir) => rm(join(dir, 'tokenizer.json'))],
    [
      'a tokenizer with a token more',
      'TOKENIZER_MISMATCH',
      /tokenizer\.json in '.+' to have the model's \d+ tokens/,
      (dir) => editVocabulary(dir, (vocab) => Object.assign(vocab, { new: Math.max(...Object.values(vocab)) + 1 })),
    ],
    [
      'a tokenizer of a smaller vocabulary',
      'TOKENIZER_MISMATCH',
      /tokenizer\.json in '.+' to have the model's \d+ tokens/,
      (dir) => dropLastToken(dir),
    ],
    [
      'a tokenizer of another kind',
      'TOKENIZER_INVALID',
      /BPE/,
      (dir) =>
        editJson(dir, 'tokenizer.json', (json) => ({
          ...json,
          model: { ...(json['model'] as Json), type: 'WordPiece' },
        })),
    ],
    [
      'a tokenizer without its end mark',
      'TOKENIZER_INVALID',
      /end-of-text mark "<\/s>"/,
      (dir) => editJson(dir, 'tokenizer_config.json', (json) => ({ ...json, eos_token: '</s>' })),
    ],
  ];

async function edit(dir: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const path = join(dir, 'model.safetensors');
  await writeFile(path, change(await readFile(path)));
}

/** The file with another header, or another claim of its header's length. */
function withHeader(bytes: Uint8Array, json: string | undefined, claimed?: bigint): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer, changed.byteOffset);
  if (claimed !== undefined) view.setBigUint64(0, claimed, true);
  if (json !== undefined) {
    const length = Number(view.getBigUint64(0, true));
    changed.fill(0x20, 8, 8 + length);
    changed.set(new TextEncoder().encode(json), 8);
  }
  return changed;
}

/** Changes the tensors, of which the last norm is handed over too. */
async function editTensors(
  dir: string,
  change: (tensors: Map<string, Tensor>, norm: Tensor) => unknown,
): Promise<void> {
  await edit(dir, (bytes) => {
    // A copy of its own, whose start is aligned.
    const { tensors } = decodeSafetensors(Uint8Array.from(bytes));
    change(tensors, tensors.get('model.norm.weight') as Tensor);
    return encodeSafetensors(tensors);
  });
}

async function editJson(dir: string, name: string, change: (json: Json) => Json): Promise<void> {
  const path = join(dir, name);
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Json)));
}

const editVocabulary = (dir: string, change: (vocab: Record<string, number>) => void): Promise<void> =>
  editJson(dir, 'tokenizer.json', (json) => {
    change((json['model'] as { vocab: Record<string, number> }).vocab);
    return json;
  });

/** Takes the last token and the merge that makes it out of the tokenizer. */
const dropLastToken = (dir: string): Promise<void> =>
  editJson(dir, 'tokenizer.json', (json) => {
    const model = json['model'] as { vocab: Record<string, number>; merges: (string | string[])[] };
    const [last] = Object.entries(model.vocab)
      .toSorted(([, a], [, b]) => a - b)
      .at(-1) as [string, number];
    delete model.vocab[last];
    const isOfLast = (merge: string | string[]) =>
      [...(typeof merge === 'string' ? merge.split(' ') : merge)].join('') === last;
    model.merges = model.merges.filter((merge) => !isOfLast(merge));
    return json;
  });

describe('loadModel refuses a folder with', () => {
  it.each(faults.map(([what, code, says, damage], index) => ({ what, code, says, damage, index })))(
    '$what: $code',
    async ({ code, says, damage, index }) => {
      const dir = join(folder, `faulty-${index}`);
      await cp(bundled, dir, { recursive: true });
      await damage(dir);
      await expect(loadModel(dir)).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
    },
  );

  it('nothing wrong: the copy itself loads, also without the files that may be absent', async () => {
    const dir = join(folder, 'whole');
    await cp(bundled, dir, { recursive: true });
    for (const name of ['itera.json', 'generation_config.json', 'README.md']) await rm(join(dir, name));
    const model = await loadModel(dir);
    expect(model.config.vocabSize).toBeGreaterThan(256);
    await model.release();
  });
});

describe('createModelTokenizer', () => {
  it('refuses parts that were put together from two models', async () => {
    const { config, ...parts } = await openModel('itera-lite-micro');
    expect(createModelTokenizer({ ...parts, config }).vocabSize).toBe(config.vocabSize);
    const mixed = { ...parts, config: { ...config, vocabSize: config.vocabSize + 1 } };
    expect(() => createModelTokenizer(mixed)).toThrow(expect.objectContaining({ code: 'TOKENIZER_MISMATCH' }));
  });
});
