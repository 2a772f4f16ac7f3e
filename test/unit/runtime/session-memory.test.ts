import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { defaultSchemes, type RoundingScheme } from '../../../src/compression/variant-schemes.ts';
import { encodeInferenceModel } from '../../../src/models/inference-model.ts';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import { measureSessionMemory } from '../../../src/runtime/session-memory-file.ts';
import { toyConfig } from '../../parity/toy-config.ts';
import { writeToyFolder } from '../compression/toy-folder.ts';

// Starting a process from TypeScript takes seconds on a busy machine.
describe('measureSessionMemory', { timeout: 60_000 }, () => {
  let dir: string;
  let folder: ModelFolder;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'itera-test-'));
    // Wide, so that the weights outweigh all else: one matrix of 16 MB in the shared experts' place.
    const config = toyConfig({
      vocabSize: 270,
      layersBlockType: ['attention'],
      hiddenSize: 512,
      intermediateSize: 1024,
    });
    folder = await writeToyFolder(dir, { config });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('is at least what the weights take, and less for a variant with fewer bits', async () => {
    const fp32 = encodeInferenceModel(folder);
    const { rounding, ...scheme } = defaultSchemes.int4;
    const int4 = await compressModel(folder, {
      variants: ['int4'],
      schemes: { int4: { ...scheme, rounding: { ...(rounding as RoundingScheme), method: 'nearest' } } },
      calibration: { seed: 1 },
      version: '0',
    });
    const whole = await measureSessionMemory(folder.config, fp32);
    const rounded = await measureSessionMemory(folder.config, int4.files[0]?.bytes as Uint8Array);
    expect(whole).toBeGreaterThan(fp32.length);
    expect(whole).toBeLessThan(5 * fp32.length);
    expect(rounded).toBeLessThan(0.9 * whole);
  });

  it('says why a model cannot be run, and leaves no file behind', async () => {
    const temporary = await mkdtemp(join(dir, 'temporary-'));
    vi.stubEnv('TMPDIR', temporary);
    await expect(measureSessionMemory(folder.config, new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringMatching(/measures memory failed: .*load the model/),
    });
    expect((await readdir(temporary)).filter((name) => name.startsWith('itera-'))).toEqual([]);
    vi.unstubAllEnvs();
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const measured = measureSessionMemory(folder.config, encodeInferenceModel(folder), { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await expect(measured).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
