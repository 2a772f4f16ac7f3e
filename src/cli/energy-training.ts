import { createRandom } from '../core/random.ts';
import type { EnergyWorkload } from '../energy/protocol.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { startShardThreads } from '../training/shard-threads-file.ts';
import { createStepper } from '../training/stepper.ts';

const sequenceLength = 128;

/**
 * Training steps as a workload: forward, backward and optimiser over random tokens, at a learning rate of 0, so that every
 * step does the same.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED`.
 */
export async function createTrainingWorkload(
  { config, weights }: Pick<ModelFolder, 'config' | 'weights'>,
  { name, threads }: { readonly name: string; readonly threads: number },
): Promise<{ readonly workload: EnergyWorkload; release(): Promise<void> }> {
  const batch = 2 * threads;
  const stepper = await createStepper(
    config,
    weights,
    {
      ...{ batchSize: batch, microBatchSize: 2, sequenceLength, threads },
      ...{ balanceWeight: 0.01, clipNorm: 1 },
      adamw: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 },
    },
    startShardThreads,
  );
  const random = createRandom(1);
  const draw = (): BigInt64Array =>
    BigInt64Array.from({ length: batch * sequenceLength }, () => BigInt(random.integer(config.vocabSize)));
  const tokens = { inputIds: draw(), targets: draw() };
  return {
    workload: {
      conditions: { model: name, phase: 'training', threads, batch, sequenceLength },
      unit: 'step',
      unitsPerRun: 1,
      async run() {
        await stepper.step(tokens, 0);
      },
    },
    release: () => stepper.release(),
  };
}
