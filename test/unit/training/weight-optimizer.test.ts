import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { readCheckpoint, writeCheckpoint } from '../../../src/training/checkpoint-file.ts';
import { viewParameters } from '../../../src/training/parameter-buffer.ts';
import type { Stepper } from '../../../src/training/stepper.ts';
import { updateCost } from '../../../src/training/weight-optimizer.ts';
import { countDifferentBits, createToySampler, createToyStepper, toyConfig, toyOptions } from './toy-model.ts';

const muon = { momentum: 0.95, rateFactor: 1 };
const opened: Stepper[] = [];

async function open(...given: Parameters<typeof createToyStepper>): Promise<Stepper> {
  const stepper = await createToyStepper(...given);
  opened.push(stepper);
  return stepper;
}

afterEach(async () => {
  for (const stepper of opened.splice(0)) await stepper.release();
});

async function takeSteps(stepper: Stepper, count: number, sampler = createToySampler()): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < count; step++) losses.push((await stepper.step(sampler.next(), 0.01)).loss);
  return losses;
}

const allDiffer = (a: Float32Array, b: Float32Array): boolean => countDifferentBits(a, b) > 0.9 * a.length;

describe('training with Muon', () => {
  it('learns the toy text', async () => {
    const losses = await takeSteps(await open({ muon }), 40);
    expect(losses[0]).toBeGreaterThan(5);
    expect(Math.min(...losses.slice(-5))).toBeLessThan((losses[0] as number) - 2.5);
  });

  it.each([
    ['sparse', toyConfig()],
    ['dense, with an output layer of its own', toyConfig(['mamba'], { numLocalExperts: 0, tieWordEmbeddings: false })],
  ])('updates the matrices of layers its own way and all else exactly as without it: %s', async (_, config) => {
    const [plain, mixed] = [await open({}, { config }), await open({ muon }, { config })];
    for (const stepper of [plain, mixed]) await takeSteps(stepper, 1);
    const shapes = parameterShapes(config);
    const variances = viewParameters(mixed.optimizer.variance, shapes).views;
    for (const [name, { data }] of mixed.parameters.views) {
      const other = plain.parameters.views.get(name)?.data as Float32Array;
      const variance = variances.get(name)?.data as Float32Array;
      if (/(_proj|_linear)\.weight$/.test(name)) {
        expect(allDiffer(data, other), name).toBe(true);
        expect(
          variance.every((value) => value === 0),
          name,
        ).toBe(true);
      } else {
        expect(countDifferentBits(data, other), name).toBe(0);
        expect(
          variance.some((value) => value > 0),
          name,
        ).toBe(true);
      }
    }
  });

  it('follows a learning rate of its own', async () => {
    const [still, moving] = [await open({ muon: { ...muon, rateFactor: 0 } }), await open({ muon })];
    const before = still.parameters.data.slice();
    for (const stepper of [still, moving]) await takeSteps(stepper, 2);
    const start = viewParameters(before, parameterShapes(toyConfig())).views;
    for (const [name, { data }] of still.parameters.views) {
      const isMatrix = /(_proj|_linear)\.weight$/.test(name);
      const first = start.get(name)?.data as Float32Array;
      expect(countDifferentBits(data, first) > 0, name).toBe(!isMatrix);
      if (isMatrix) expect(allDiffer(moving.parameters.views.get(name)?.data as Float32Array, first), name).toBe(true);
    }
  });

  it('goes on from a checkpoint as if it had never stopped', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'itera-muon-'));
    try {
      const path = join(folder, 'checkpoint.safetensors');
      const [whole, resumed] = [await open({ muon }), await open({ muon }, { seed: 9 })];
      const sampler = createToySampler();
      await takeSteps(whole, 4, sampler);
      const progress = { step: 4, sampler: sampler.state(), losses: [], recent: [], validations: [] };
      await writeCheckpoint(path, whole, progress, {});
      const losses = await takeSteps(whole, 5, sampler);
      const again = createToySampler();
      again.restore((await readCheckpoint(path, resumed, {})).sampler);
      expect(await takeSteps(resumed, 5, again)).toEqual(losses);
      expect(countDifferentBits(resumed.parameters.data, whole.parameters.data)).toBe(0);
      expect(countDifferentBits(resumed.optimizer.mean, whole.optimizer.mean)).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the cost of an update', () => {
  const { adamw } = toyOptions;
  const name = 'model.layers.0.mamba.out_proj.weight';

  it('is the number of elements, and more for what Muon orthogonalises', () => {
    const plain = (of: string, shape: number[]) => updateCost(of, shape, toyConfig(), { adamw });
    const mixed = (of: string, shape: number[]) => updateCost(of, shape, toyConfig(), { adamw, muon });
    expect(plain(name, [32, 64])).toBe(2048);
    // Five times two products of 32 x 32 by 32 x 64 and one of 32 x 32 by itself.
    expect(mixed(name, [32, 64])).toBe(2048 + (5 * 2 * (2 * 32 * 32 * 64 + 32 ** 3)) / 400);
    expect(mixed('model.embed_tokens.weight', [300, 32])).toBe(9600);
  });
});
