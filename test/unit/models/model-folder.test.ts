import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roundToFloat16, toFloat16 } from '../../../src/core/float16.ts';
import { createRandom } from '../../../src/core/random.ts';
import { elementCount, type Tensor, tensor } from '../../../src/core/tensor.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { formatConfig } from '../../../src/models/config-json.ts';
import { checkWeights, countTokens } from '../../../src/models/model-folder.ts';
import { readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { presets } from '../../../src/models/presets.ts';
import { encodeSafetensors } from '../../../src/models/safetensors.ts';

/** Sizes of its own, so that the presets' may change. */
const config: ModelConfig = {
  ...presets.micro(32),
  hiddenSize: 64,
  numHiddenLayers: 2,
  layersBlockType: ['mamba', 'attention'],
  numAttentionHeads: 4,
  numKeyValueHeads: 1,
  sharedIntermediateSize: 32,
  mambaNHeads: 4,
  mambaDHead: 32,
};
const random = createRandom(7);
const weights = new Map<string, Tensor>(
  [...parameterShapes(config)].map(([name, shape]) => [
    name,
    tensor(
      'float32',
      shape,
      Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
    ),
  ]),
);
const tokenizerJson = {
  model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
  added_tokens: [{ id: 31, content: '<|endoftext|>' }],
};
const model = {
  config,
  weights,
  tokenizerJson,
  tokenizerConfig: { tokenizer_class: 'PreTrainedTokenizer' },
  itera: { schemaVersion: 1 },
};

let root: string;
let made = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'itera-model-folder-'));
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A valid model folder of its own for each test, so that a test may spoil it. */
async function makeFolder(): Promise<string> {
  const dir = join(root, `model-${made++}`);
  await writeModelFolder(dir, model);
  return dir;
}

function changed(changes: Record<string, Tensor | undefined>): Map<string, Tensor> {
  const result = new Map(weights);
  for (const [name, weight] of Object.entries(changes)) {
    if (weight === undefined) {
      result.delete(name);
    } else {
      result.set(name, weight);
    }
  }
  return result;
}

describe('writeModelFolder and readModelFolder', () => {
  it('round-trip a model', async () => {
    const dir = join(root, 'nested', 'model');
    const written = await writeModelFolder(dir, { ...model, readme: '# A model\n' });
    const folder = await readModelFolder(dir);
    expect(folder).toMatchObject({ dir, config, tokenizerJson, tokenizerConfig: model.tokenizerConfig });
    expect(folder.itera).toEqual({ schemaVersion: 1 });
    expect(folder.generationConfig).toEqual({
      _from_model_config: true,
      bos_token_id: 0,
      eos_token_id: 0,
      pad_token_id: 0,
    });
    expect(folder.weights).toEqual(weights);
    expect([...folder.weights.keys()]).toEqual([...weights.keys()]);
    expect((await readdir(dir)).sort()).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'itera.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect({ ...folder.sha256, 'README.md': written['README.md'] }).toEqual(written);
    const bytes = await readFile(join(dir, 'model.safetensors'));
    expect(folder.sha256['model.safetensors']).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(bytes.subarray(8, 64).toString()).toContain('"__metadata__":{"format":"pt"}');
  });

  it('round-trip half precision: half the bytes, rounded once, and told to other software', async () => {
    const dir = join(root, 'half');
    await writeModelFolder(dir, { ...model, weightsDtype: 'float16' });
    const folder = await readModelFolder(dir);
    expect(folder.weightsDtype).toBe('float16');
    for (const [name, { data }] of folder.weights) {
      expect(data, name).toEqual(roundToFloat16(weights.get(name)?.data as Float32Array));
    }
    const whole = await makeFolder();
    const sizeOf = async (of: string) => (await stat(join(of, 'model.safetensors'))).size;
    expect((await sizeOf(dir)) / (await sizeOf(whole))).toBeCloseTo(0.5, 1);
    expect(JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')).torch_dtype).toBe('float16');
    expect((await readModelFolder(whole)).weightsDtype).toBe('float32');
    // Written again, as when measurements are added, nothing is lost or grows.
    expect((await writeModelFolder(join(root, 'half-again'), folder))['model.safetensors']).toBe(
      folder.sha256['model.safetensors'],
    );
  });

  it('reads a file that has some weights in half precision and some in bfloat16 or single', async () => {
    const dir = await makeFolder();
    const [[name, first]] = [...weights] as [[string, Tensor]];
    const half = tensor('float16', first.shape, toFloat16(first.data as Float32Array));
    await writeFile(join(dir, 'model.safetensors'), encodeSafetensors(changed({ [name]: half })));
    const folder = await readModelFolder(dir);
    expect(folder.weights.get(name)?.data).toEqual(roundToFloat16(first.data as Float32Array));
    expect(folder.weightsDtype).toBe('float32');
  });

  it('refuses to write a weight that half precision cannot hold, and writes nothing', async () => {
    const [[name, first]] = [...weights] as [[string, Tensor]];
    const large = tensor('float32', first.shape, new Float32Array(elementCount(first.shape)).fill(1e6));
    const dir = join(root, 'too-large');
    const writing = writeModelFolder(dir, { ...model, weights: changed({ [name]: large }), weightsDtype: 'float16' });
    await expect(writing).rejects.toMatchObject({
      code: 'WEIGHTS_INVALID',
      message: expect.stringContaining('half precision'),
    });
    expect(await readdir(root)).not.toContain('too-large');
  });

  it('refuses another type for the weights', async () => {
    const writing = writeModelFolder(join(root, 'type'), { ...model, weightsDtype: 'bfloat16' as 'float16' });
    await expect(writing).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', data: { weightsDtype: 'bfloat16' } });
  });

  it('writes the same bytes each time', async () => {
    expect(await writeModelFolder(join(root, 'first'), model)).toEqual(
      await writeModelFolder(join(root, 'second'), model),
    );
  });

  it('reads a folder made by other software, without our own files', async () => {
    const dir = await makeFolder();
    await rm(join(dir, 'itera.json'));
    await rm(join(dir, 'generation_config.json'));
    expect(await readModelFolder(dir)).toMatchObject({ config, itera: undefined, generationConfig: undefined });
  });

  it('stops when aborted', async () => {
    const dir = await makeFolder();
    const signal = AbortSignal.abort();
    await expect(readModelFolder(dir, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(writeModelFolder(join(root, 'aborted'), model, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(root)).not.toContain('aborted');
  });
});

describe('readModelFolder refuses', () => {
  it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])(
    'a folder without %s',
    async (name) => {
      const dir = await makeFolder();
      await rm(join(dir, name));
      await expect(readModelFolder(dir)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining(`'${dir}' lacks ${name}`),
      });
    },
  );

  it.each<[string, string, string | Uint8Array, string, RegExp]>([
    ['cut JSON', 'config.json', '{"model_type":', 'MODEL_INVALID', /config\.json in .*not valid UTF-8 JSON/],
    ['bytes that are not UTF-8', 'tokenizer.json', Uint8Array.of(0x22, 0xff, 0x22), 'MODEL_INVALID', /tokenizer\.json/],
    ['cut provenance', 'itera.json', '', 'MODEL_INVALID', /itera\.json/],
    ['provenance that is null', 'itera.json', 'null', 'MODEL_INVALID', /itera\.json in .*object/],
    ['provenance that is a list', 'itera.json', '[]', 'MODEL_INVALID', /itera\.json in .*object/],
    ['another model', 'config.json', '{"model_type":"llama"}', 'CONFIG_INVALID', /llama/],
    ['cut weights', 'model.safetensors', '12345678', 'WEIGHTS_INVALID', /claims/],
    ['no vocabulary', 'tokenizer.json', '{"model":{}}', 'TOKENIZER_INVALID', /model\.vocab/],
    ['a tokenizer that is a list', 'tokenizer.json', '[]', 'TOKENIZER_INVALID', /model\.vocab/],
    [
      'a larger tokenizer',
      'tokenizer.json',
      JSON.stringify({ ...tokenizerJson, added_tokens: [{ id: 32, content: 'x' }] }),
      'TOKENIZER_MISMATCH',
      /the model's 32 tokens, but it has 33/,
    ],
    [
      'a configuration of other sizes',
      'config.json',
      JSON.stringify(formatConfig({ ...config, sharedIntermediateSize: 64 })),
      'WEIGHTS_MISMATCH',
      /different: model\.layers\.0\.shared_mlp\.input_linear\.weight: expected float32 \[128, 64\], got float32 \[64, 64\]/,
    ],
    [
      'weights of another type',
      'model.safetensors',
      encodeSafetensors(changed({ 'model.norm.weight': tensor('int8', [64], new Int8Array(64)) })),
      'WEIGHTS_MISMATCH',
      /^'.*model-\d+': .*model\.norm\.weight: expected float32 \[64\], got int8/,
    ],
  ])('%s', async (_, name, content, code, message) => {
    const dir = await makeFolder();
    await writeFile(join(dir, name), content);
    await expect(readModelFolder(dir)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('a folder that does not exist, or is a file', async () => {
    await expect(readModelFolder(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await writeFile(join(root, 'plain'), '');
    await expect(readModelFolder(join(root, 'plain'))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(readModelFolder(join(root, 'plain', 'x'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('a file that cannot be read', async () => {
    const dir = await makeFolder();
    await rm(join(dir, 'tokenizer.json'));
    await mkdir(join(dir, 'tokenizer.json'));
    await expect(readModelFolder(dir)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('tokenizer.json'),
    });
  });
});

describe('writeModelFolder refuses', () => {
  it('an unwritable folder', async () => {
    await writeFile(join(root, 'taken'), '');
    await expect(writeModelFolder(join(root, 'taken'), model)).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
  });

  it('a file that cannot be replaced, leaving no scratch file', async () => {
    const dir = join(root, 'blocked');
    await mkdir(join(dir, 'tokenizer.json'), { recursive: true });
    await expect(writeModelFolder(dir, model)).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining('tokenizer.json'),
    });
    expect((await readdir(dir)).sort()).toEqual(['model.safetensors', 'tokenizer.json']);
  });

  it('a model that could not be read again, before writing anything', async () => {
    const dir = join(root, 'unborn');
    const spoiled = { ...model, weights: changed({ 'model.norm.weight': undefined }) };
    await expect(writeModelFolder(dir, spoiled)).rejects.toMatchObject({ code: 'WEIGHTS_MISMATCH' });
    expect(await readdir(root)).not.toContain('unborn');
  });
});

describe('checkWeights', () => {
  const head = tensor('float32', [32, 64], new Float32Array(32 * 64));

  it('names missing, surplus and different weights at once', () => {
    const spoiled = changed({
      'model.norm.weight': undefined,
      'lm_head.weight': head,
      'model.layers.0.mamba.D': tensor('float32', [4, 1], new Float32Array(4)),
    });
    expect(() => checkWeights(config, spoiled)).toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_MISMATCH',
        message: expect.stringMatching(
          /missing: model\.norm\.weight; surplus: lm_head\.weight; different: model\.layers\.0\.mamba\.D: expected float32 \[4\], got float32 \[4, 1\]/,
        ),
      }),
    );
  });

  it('wants an output layer of its own when the embedding is not tied', () => {
    const untied = { ...config, tieWordEmbeddings: false };
    expect(() => checkWeights(untied, weights)).toThrow(/missing: lm_head\.weight/);
    expect(checkWeights(untied, changed({ 'lm_head.weight': head })).size).toBe(weights.size + 1);
  });

  it('shortens a long list of faults', () => {
    expect(() => checkWeights(config, new Map())).toThrow(new RegExp(`and ${weights.size - 5} more`));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %s among the weights', (value) => {
    const data = new Float32Array(64).fill(1);
    data[63] = value;
    expect(() => checkWeights(config, changed({ 'model.norm.weight': tensor('float32', [64], data) }))).toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_INVALID',
        message: expect.stringContaining(`'model.norm.weight' holds ${value} at element 63`),
      }),
    );
  });
});

describe('countTokens', () => {
  it.each([
    [{ model: { vocab: { a: 0, b: 1 } } }, 2],
    [{ model: { vocab: { a: 0, b: 9 } }, added_tokens: [] }, 10],
    [{ model: { vocab: { a: 0 } }, added_tokens: [{ id: 5 }, { id: 3 }] }, 6],
    [
      {
        model: {
          vocab: [
            ['a', -1.5],
            ['b', -2],
          ],
        },
      },
      2,
    ],
  ])('of %j is %i', (json, count) => {
    expect(countTokens(json)).toBe(count);
  });

  it.each([
    null,
    'text',
    { model: { vocab: {} } },
    { model: { vocab: { a: 'x' } } },
    { model: { vocab: { a: 0 } }, added_tokens: [null] },
    { model: { vocab: { a: 0 } }, added_tokens: [{ id: -1 }] },
    { model: { vocab: { a: 0 } }, added_tokens: {} },
  ])('refuses %j', (json) => {
    expect(() => countTokens(json)).toThrow(expect.objectContaining({ code: 'TOKENIZER_INVALID' }));
  });
});
