import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Peer, startPeer } from '../../benchmarks/pytorch/peer-process.ts';
import type { Tensor } from '../../src/core/tensor.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { formatConfig } from '../../src/models/config-json.ts';
import { presets } from '../../src/models/presets.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/models/safetensors.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';
import { buildTrainingGraph, gradientName } from '../../src/training/training-graph.ts';
import { requirement } from '../requirements.ts';
import { familyMembers } from './family-arbitrary.ts';
import { randomTokens, runInferenceForm, tokenTensor } from './model-forms.ts';
import { maxDifference, randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

const pytorch = requirement('pytorch');
const balanceWeight = 0.01;
/** Of a float32 gradient against a float64 one; the largest seen was 6e-6. */
const tolerance = 5e-5;

interface Case {
  readonly name: string;
  readonly seed: number;
  readonly batch: number;
  readonly length: number;
  readonly config: ModelConfig;
}

/** Seeds are ones for which no token's router logits are nearly tied: there, rounding would choose other experts. */
const cases: readonly Case[] = [
  { name: 'mamba with experts', seed: 1, batch: 2, length: 21, config: toyConfig() },
  {
    name: 'mamba with grouped B and C, biases of projections, no bias of the convolution',
    seed: 2,
    batch: 1,
    length: 13,
    config: toyConfig({
      mambaNGroups: 2,
      mambaProjBias: true,
      mambaConvBias: false,
      mambaDConv: 3,
      numExpertsPerTok: 1,
    }),
  },
  {
    name: 'attention with rotary embedding',
    seed: 3,
    batch: 2,
    length: 17,
    config: toyConfig({
      layersBlockType: ['attention', 'attention'],
      positionEmbeddingType: 'rope',
      numLocalExperts: 0,
      numExpertsPerTok: 0,
    }),
  },
  {
    name: 'mixed layers, multipliers, own output layer',
    seed: 4,
    batch: 2,
    length: 19,
    config: toyConfig({
      layersBlockType: ['mamba', 'attention', 'mamba'],
      numLocalExperts: 6,
      numExpertsPerTok: 3,
      embeddingMultiplier: 2,
      residualMultiplier: 0.6,
      logitsScaling: 1.5,
      attentionMultiplier: 0.3,
      tieWordEmbeddings: false,
    }),
  },
  { name: 'the micro preset over more than a chunk', seed: 5, batch: 1, length: 70, config: presets.micro(40) },
];

describe.skipIf(!pytorch.available)(
  `against PyTorch in float64${pytorch.available ? '' : ` (${pytorch.reason})`}`,
  () => {
    let peer: Peer;
    let folder: string;

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'itera-parity-'));
      peer = startPeer();
    });

    afterAll(() => {
      peer.close();
      rmSync(folder, { recursive: true });
    });

    async function give(config: ModelConfig, weights: ReadonlyMap<string, Tensor>): Promise<void> {
      const path = join(folder, 'model.safetensors');
      writeFileSync(path, encodeSafetensors(weights));
      await peer.ask({ cmd: 'init', config: formatConfig(config), weights: path, threads: 1, dtype: 'float64' });
    }

    test.each(cases)('logits of the inference graph: $name', async ({ config, seed, batch, length }) => {
      const weights = randomWeights(config, seed);
      const tokens = randomTokens(batch, length, config.vocabSize, seed);
      await give(config, weights);
      const { logits } = await peer.ask<{ logits: number[][][] }>({ cmd: 'logits', tokens });
      const expected = logits.flat(2);
      expect(maxDifference(await runInferenceForm(config, weights, tokens), expected)).toBeLessThan(2e-5);
    });

    /** The largest difference of every weight's gradient, relative to the largest element of that gradient. */
    async function compareGradients(
      { config, seed, batch, length }: Case,
      theirBalanceWeight: number,
    ): Promise<ReadonlyMap<string, number>> {
      const weights = randomWeights(config, seed);
      const tokens = randomTokens(batch, length, config.vocabSize, seed);
      const targets = randomTokens(batch, length, config.vocabSize, seed + 100);
      const session = await createSession(
        encodeOnnx(buildTrainingGraph(config, { batchSize: batch, sequenceLength: length, balanceWeight })),
      );
      const ours = await session.run({
        ...Object.fromEntries(weights),
        input_ids: tokenTensor(tokens),
        targets: tokenTensor(targets),
      });
      await session.release();

      await give(config, weights);
      const out = join(folder, 'gradients.safetensors');
      const losses = await peer.ask<{ cross_entropy: number; aux: number }>({
        cmd: 'gradients',
        tokens,
        targets,
        aux_coef: theirBalanceWeight,
        out,
      });
      expect(Number(ours['loss']?.data[0])).toBeCloseTo(losses.cross_entropy, 5);
      expect(Number(ours['balance']?.data[0] ?? 0)).toBeCloseTo(losses.aux, 5);

      const gradients = decodeSafetensors(readFileSync(out)).tensors;
      expect([...gradients.keys()].sort()).toEqual([...weights.keys()].sort());
      const largest = (values: Tensor) =>
        maxDifference(values.data as Float64Array, new Float64Array(values.data.length));
      // A gradient that cancels to nothing, such as a query's with one key to look at, is held against the others.
      const floor = 1e-3 * Math.max(...[...gradients.values()].map(largest));
      return new Map(
        [...gradients].map(([name, theirs]) => {
          const difference = maxDifference(ours[gradientName(name)]?.data as Float32Array, theirs.data as Float64Array);
          return [name, difference / Math.max(floor, largest(theirs))];
        }),
      );
    }

    test.each(cases)('every gradient of the training graph: $name', async (given) => {
      const errors = await compareGradients(given, balanceWeight);
      expect([...errors].filter(([, error]) => !(error < tolerance))).toEqual([]);
    });

    test('every gradient, for any member of the family', async () => {
      const property = fc.asyncProperty(
        familyMembers,
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(1000),
        async (config, batch, length, seed) => {
          const errors = await compareGradients({ name: '', config, batch, length, seed }, balanceWeight);
          // Norms over two channels, both near 0, magnify rounding.
          expect([...errors].filter(([, error]) => !(error < 20 * tolerance))).toEqual([]);
        },
      );
      await fc.assert(property, { seed: 1, numRuns: 15, endOnFailure: true });
    });

    test('a training loss without the balance loss would be noticed', async () => {
      const errors = await compareGradients(cases[0] as Case, 0);
      const router = 'model.layers.1.block_sparse_moe.router.layer.weight';
      expect(errors.get(router)).toBeGreaterThan(100 * tolerance);
      // The last layer's choice of experts does not depend on its output, so the head stays as it was.
      expect(errors.get('model.norm.weight')).toBeLessThan(tolerance);
    });
  },
);
