import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readModelForms } from '../../../src/server/model-forms.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-forms-'));
  await writeFile(join(dir, 'model.safetensors'), 'weights');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('are FP32 alone without itera.json', async () => {
  expect(await readModelForms(dir)).toEqual([{ variant: 'fp32', bytes: 7, measurements: [] }]);
});

it('are those that are named and there, with their own measurements', async () => {
  const source = { 'model.safetensors': 'a', 'config.json': 'b' };
  const common = { sha256: 'c', bytes: 3, source, scheme: {}, iteraLite: '0.0.0' };
  const variants = {
    int8: { ...common, file: 'onnx/model_quantized.onnx', measurements: [{ id: 'of int8' }] },
    int4: { ...common, file: 'onnx/model_q4.onnx' },
  };
  await writeFile(join(dir, 'itera.json'), JSON.stringify({ measurements: [{ id: 'of fp32' }], variants }));
  await mkdir(join(dir, 'onnx'));
  await writeFile(join(dir, 'onnx', 'model_quantized.onnx'), 'int');
  expect(await readModelForms(dir)).toEqual([
    { variant: 'fp32', bytes: 7, measurements: [{ id: 'of fp32' }] },
    { variant: 'int8', bytes: 3, measurements: [{ id: 'of int8' }] },
  ]);
});
