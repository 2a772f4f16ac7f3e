import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompressOptions, compressModel } from '../../../src/compression/compress-model.ts';
import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import { type TuningOptions, tuneRoundedWeights } from '../../../src/compression/quantization-aware-tuning-file.ts';
import type { RoundedProducts } from '../../../src/compression/rounded-weights.ts';
import { judgeCandidate } from '../../../src/compression/variant-measurement.ts';
import { createTuner } from '../../../src/compression/variant-tuning-file.ts';
import { defaultBounds } from '../../../src/evaluation/degradation-bounds.ts';
import { expandExperts } from '../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../src/graph/passes/fold-constants.ts';
import { listStoredProducts } from '../../../src/graph/passes/stored-products.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import type { CompressedVariant } from '../../../src/models/variants.ts';
import type { StepReport } from '../../../src/training/trainer.ts';
import { runTraining } from '../../../src/training/training-run-file.ts';
import { countDifferentBits } from '../../unit/training/toy-model.ts';
import { prepareToyRun, type ToyRun } from './toy-run.ts';

let toy: ToyRun;
let modelDir: string;
let products: RoundedProducts;

/** A model that has learnt a few stories, and its products at 2 bits, which cost it much. */
beforeAll(async () => {
  toy = await prepareToyRun({ steps: 80 });
  const { stepper, config, tokenizerJson, tokenizerConfig } = await runTraining(toy.recipe, {
    ...{ runDir: join(toy.folder, 'run'), resume: false, threads: 1 },
  });
  modelDir = join(toy.folder, 'model');
  await writeModelFolder(modelDir, {
    config,
    weights: stepper.parameters.views,
    tokenizerJson,
    tokenizerConfig,
    itera: {},
  });
  await stepper.release();
  const graph = buildInferenceGraph(config, (await readModelFolder(modelDir)).weights);
  foldConstants(graph);
  expandExperts(graph);
  products = new Map(
    listStoredProducts(graph).map(({ name, rows, columns, weights }) => [
      name,
      quantizeMatrix(weights, rows, columns, {
        ...{ method: 'search', bits: 2, blockSize: 32, symmetric: true, scalePrecision: 'float16' },
      }),
    ]),
  );
});
afterAll(() => rm(toy.folder, { recursive: true }));

const choices = { steps: 12, batchSize: 2, sequenceLength: 32, learningRate: 0.002 };

const tune = (name: string, change: Partial<TuningOptions> = {}) =>
  tuneRoundedWeights(modelDir, products, {
    ...{ runDir: join(toy.folder, name), resume: false, threads: 1, centered: false, choices },
    texts: [{ dataset: toy.textPath, weight: 1 }],
    ...change,
  });

describe('tuning rounded weights', () => {
  it('brings the rounded model closer to the unrounded one', async () => {
    const reports: StepReport[] = [];
    const { progress, finished } = await tune('tuned', {
      choices: { ...choices, steps: 60 },
      onStep: (report) => reports.push(report),
    });
    expect(finished).toBe(true);
    const mean = (part: StepReport[]) =>
      part.reduce((sum, { divergence = Number.NaN }) => sum + divergence, 0) / part.length;
    expect(mean(reports.slice(-8))).toBeLessThan(0.6 * mean(reports.slice(0, 8)));
    const { 0: first, length, [length - 1]: last } = progress.validations;
    expect(first?.step).toBe(0);
    expect(last?.bitsPerByte).toBeLessThan(first?.bitsPerByte as number);
  });

  it('resumes to the same bits, and refuses other products', async () => {
    const { weights } = await tune('whole');
    const controller = new AbortController();
    const stopped = await tune('stopped', {
      signal: controller.signal,
      onStep: ({ step }) => step === 5 && controller.abort(),
    });
    expect(stopped.finished).toBe(false);
    const resumed = await tune('stopped', { resume: true, threads: 2 });
    for (const [name, { data }] of weights) {
      expect(countDifferentBits(data, resumed.weights.get(name)?.data as Float32Array), name).toBe(0);
    }
    const fewer = new Map([...products].slice(1));
    const options = { runDir: join(toy.folder, 'stopped'), resume: true, threads: 1, centered: false, choices };
    const texts = [{ dataset: toy.textPath, weight: 1 }];
    await expect(tuneRoundedWeights(modelDir, fewer, { ...options, texts })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
    });
  });

  it('lets the model write a text of its own where there is none', async () => {
    const written: number[] = [];
    const { progress } = await tune('own', {
      texts: undefined,
      ownTokens: 2048,
      onWriting: (done) => written.push(done),
    });
    expect(written.at(-1)).toBe(2048);
    expect(progress.step).toBe(12);
    const text = await readFile(join(toy.folder, 'own', 'own-text.txt'), 'utf8');
    expect(text.length).toBeGreaterThan(2048);
  });
});

describe('createTuner', () => {
  it('brings variants below 8 bits closer to the model, those with equal levels in one training', async () => {
    const folder = await readModelFolder(modelDir);
    const stages: string[] = [];
    const tuner = createTuner(folder, {
      ...{ texts: [toy.textPath], steps: 40, seed: 1, threads: 1, onStage: (stage) => stages.push(stage) },
    });
    const compress = (variants: readonly CompressedVariant[], refine?: CompressOptions['refine']) =>
      compressModel(folder, {
        ...{ variants, version: '0', calibration: { texts: [toy.textPath], tokens: 2048, seed: 1 } },
        ...(refine && { refine }),
      });
    const plain = await compress(['int4']);
    const tuned = await compress(['int8', 'int4', 'q4f16'], tuner);
    const [int8, int4, q4f16] = tuned.files;
    expect(stages.filter((stage) => stage.startsWith('training the weights'))).toHaveLength(1);
    expect(int8?.refinement).toBeUndefined();
    expect(int4?.refinement).toEqual(q4f16?.refinement);
    expect(int4?.bytes.length).toBe(plain.files[0]?.bytes.length);
    const ratio = async (bytes: Uint8Array | undefined): Promise<number> => {
      const variant = { variant: 'int4' as const, bytes: bytes as Uint8Array };
      const measured = { datasets: [toy.textPath], split: 'test' as const, seed: 1, threads: 1 };
      return (await judgeCandidate(folder, 'toy', variant, defaultBounds, measured)).ratio as number;
    };
    expect(await ratio(int4?.bytes)).toBeLessThan(await ratio(plain.files[0]?.bytes));
  });
});
