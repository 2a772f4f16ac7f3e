import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/core/tensor.ts';
import { encodeStateDict } from '../../src/export/state-dict.ts';
import { startTorch, type TorchProcess } from '../../src/export/torch-process.ts';
import { encodeTorchScript } from '../../src/export/torchscript.ts';
import type { ScanForm } from '../../src/export/torchscript-code.ts';
import { verifyExport } from '../../src/export/verification.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { type PresetName, presets } from '../../src/models/presets.ts';
import { requirement } from '../requirements.ts';
import { familyMembers } from './family-arbitrary.ts';
import { randomTokens } from './model-forms.ts';
import { randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

const pytorch = requirement('pytorch');
const bounds = { logits: 1e-9, perplexity: 1e-9 };
const forms: readonly ScanForm[] = ['scan', 'chunked'];

describe.skipIf(!pytorch.available)(`TorchScript in PyTorch ${pytorch.reason}`, () => {
  let dir: string;
  let torch: TorchProcess;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'itera-torchscript-'));
    const started = await startTorch();
    if ('reason' in started) throw new Error(started.reason);
    torch = started;
  }, 120_000);
  afterAll(async () => {
    await torch.close();
    await rm(dir, { recursive: true });
  });

  async function check(
    config: ModelConfig,
    weights: ReadonlyMap<string, Tensor>,
    form: ScanForm,
    expected: ReadonlyMap<string, Tensor> = weights,
  ) {
    const path = join(dir, 'model.pt');
    await writeFile(path, encodeTorchScript(config, weights, { form }));
    const script = await torch.loadScript(path, 'float64');
    const [text = []] = randomTokens(1, 70, config.vocabSize, 5);
    return verifyExport(script, config, expected, { bounds, text, seed: 3 });
  }

  test.each(
    (Object.keys(presets) as PresetName[]).flatMap((name) =>
      // The forms differ in state-space layers only.
      forms.slice(0, name.endsWith('transformer') ? 1 : 2).map((form): [PresetName, ScanForm] => [name, form]),
    ),
  )('preset %s as %s gives the logits of the reference to 1e-9', async (name, form) => {
    const config = presets[name](64);
    const checks = await check(config, randomWeights(config, 31), form);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks).toHaveLength(7);
  });

  test('any member of the family does', async () => {
    const property = fc.asyncProperty(
      familyMembers,
      fc.constantFrom(...forms),
      fc.nat(1000),
      async (config, form, seed) => {
        const checks = await check(config, randomWeights(config, seed), form);
        expect(checks.filter(({ passed }) => !passed)).toEqual([]);
      },
    );
    await fc.assert(property, { numRuns: 15, seed: 11 });
  }, 120_000);

  test.each(forms)('a weight that is changed is noticed, as %s', async (form) => {
    const config = toyConfig();
    const weights = randomWeights(config, 4);
    for (const name of [
      'model.layers.0.mamba.A_log',
      'model.norm.weight',
      'model.layers.1.shared_mlp.input_linear.weight',
    ]) {
      const tensor = weights.get(name) as Tensor<'float32'>;
      const data = tensor.data.slice();
      data[1] = (data[1] as number) * 1.001;
      const changed = new Map<string, Tensor>(weights).set(name, { ...tensor, data });
      const checks = await check(config, changed, form, weights);
      expect(
        checks.filter(({ passed, metric }) => !passed && metric === 'max_abs_difference').length,
        name,
      ).toBeGreaterThan(0);
    }
  });

  test('an archive that is cut or has other code is refused with what PyTorch says', async () => {
    const config = toyConfig();
    const bytes = encodeTorchScript(config, randomWeights(config, 4));
    const path = join(dir, 'cut.pt');
    await writeFile(path, bytes.subarray(0, bytes.length / 2));
    await expect(torch.loadScript(path, 'float64')).rejects.toMatchObject({ code: 'EXPORT_INVALID' });
    // The process goes on.
    await writeFile(path, bytes);
    expect((await torch.loadScript(path, 'float32')).extraFiles['config.json']).toBe('');
  });

  test('extra files and a state dictionary come back as they were', async () => {
    const config = toyConfig();
    const weights = randomWeights(config, 4);
    const path = join(dir, 'other');
    const extraFiles = new Map([['config.json', new TextEncoder().encode('{"a":"é"}')]]);
    await writeFile(path, encodeTorchScript(config, weights, { extraFiles }));
    expect((await torch.loadScript(path, 'float64')).extraFiles['config.json']).toBe('{"a":"é"}');
    await writeFile(path, encodeStateDict(weights));
    const found = await torch.readStateDict(path);
    expect(Object.entries(found).map(([name, [shape]]) => [name, shape])).toEqual(
      [...weights].map(([name, { shape }]) => [name, shape]),
    );
  });
});
