/**
 * Whole training steps (forward, backward, clipping, AdamW) of Itera-Lite and PyTorch on the same model and batch,
 * interleaved in one run, and the most memory that each held.
 *
 *   npx tsx benchmarks/training-throughput.ts [--presets micro,small] [--threads 1,2] [--rounds 8] [--json]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRandom } from '../src/core/random.ts';
import { median, quantile } from '../src/core/statistics.ts';
import { formatConfig } from '../src/models/config-json.ts';
import { initializeWeights } from '../src/models/initialization.ts';
import { presetConfig } from '../src/models/presets.ts';
import { startShardThreads } from '../src/training/shard-threads-file.ts';
import { createStepper } from '../src/training/stepper.ts';
import { type Peer, startPeer } from './pytorch/peer-process.ts';

const batches: Readonly<Record<string, number>> = { micro: 16, tiny: 8, small: 8 };
const sequenceLength = 256;
const learningRate = 1e-3;
const adamw = { beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weightDecay: 0.1 };
const balanceWeight = 0.01;
/** Timed steps of each side in a round. The first round, and the first steps of every turn, warm up and are dropped. */
const stepsPerTurn = 4;
const warmupSteps = 2;
const warmupRounds = 1;

const { values } = parseArgs({
  options: {
    presets: { type: 'string', default: 'micro,small' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
});

interface Side {
  readonly name: string;
  turn(): Promise<number[]>;
  /** Most resident memory of the side's process so far, in KiB. Ours includes what runs TypeScript from its source. */
  peakMemory(): Promise<number>;
  close(): Promise<void> | void;
}

async function ours(preset: string, threads: number): Promise<Side> {
  const config = presetConfig(preset);
  const batchSize = batches[preset] ?? 8;
  const random = createRandom(1);
  const stepper = await createStepper(
    config,
    initializeWeights(config, random),
    { batchSize, microBatchSize: batchSize / 2, sequenceLength, balanceWeight, adamw, clipNorm: 1, threads },
    startShardThreads,
  );
  const draw = () =>
    BigInt64Array.from({ length: batchSize * sequenceLength }, () => BigInt(random.integer(config.vocabSize)));
  return {
    name: 'itera-lite',
    async turn() {
      const batch = { inputIds: draw(), targets: draw() };
      const seconds: number[] = [];
      for (let step = 0; step < warmupSteps + stepsPerTurn; step++) {
        const started = performance.now();
        await stepper.step(batch, learningRate);
        seconds.push((performance.now() - started) / 1000);
      }
      return seconds.slice(warmupSteps);
    },
    peakMemory: async () => process.resourceUsage().maxRSS,
    close: () => stepper.release(),
  };
}

async function theirs(preset: string, threads: number, plain: boolean): Promise<Side> {
  const peer: Peer = startPeer(plain ? ['--plain'] : []);
  await peer.ask({ cmd: 'init', config: formatConfig(presetConfig(preset)), weights: null, threads, dtype: 'float32' });
  const command = {
    cmd: 'train',
    steps: warmupSteps + stepsPerTurn,
    batch: batches[preset] ?? 8,
    length: sequenceLength,
    lr: learningRate,
    betas: [adamw.beta1, adamw.beta2],
    eps: adamw.epsilon,
    weight_decay: adamw.weightDecay,
    clip: 1,
    aux_coef: balanceWeight,
  };
  return {
    name: plain ? 'pytorch plain' : 'pytorch tuned',
    turn: async () => (await peer.ask<{ seconds: number[] }>(command)).seconds.slice(warmupSteps),
    peakMemory: async () => (await peer.ask<{ peak_memory_kib: number }>({ cmd: 'info' })).peak_memory_kib,
    close: () => peer.close(),
  };
}

async function compare(preset: string, threads: number, rounds: number) {
  const sides = [
    await ours(preset, threads),
    await theirs(preset, threads, true),
    await theirs(preset, threads, false),
  ];
  const turns = sides.map((): number[] => []);
  for (let round = 0; round < rounds + warmupRounds; round++) {
    for (const [index, side] of sides.entries()) {
      const step = median(await side.turn());
      if (round >= warmupRounds) turns[index]?.push(step);
    }
  }
  const peaks: number[] = [];
  for (const side of sides) {
    peaks.push(await side.peakMemory());
    await side.close();
  }
  const tokens = (batches[preset] ?? 8) * sequenceLength;
  const own = turns[0] as number[];
  return sides.map(({ name }, index) => {
    const steps = turns[index] as number[];
    const ratios = steps.map((step, round) => step / (own[round] as number));
    return {
      preset,
      threads,
      side: name,
      stepMs: 1000 * median(steps),
      tokensPerSecond: tokens / median(steps),
      bestTokensPerSecond: tokens / Math.min(...steps),
      oursFasterBy: median(ratios),
      oursFasterByQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      peakMemoryMiB: (peaks[index] as number) / 1024,
      rounds: steps.length,
    };
  });
}

/** One preset and thread count. A process of its own for each: what an earlier one left in the allocator slows a later one. */
async function measure(preset: string, threads: number, rounds: number): Promise<void> {
  const info = startPeer();
  const { torch, blas } = await info.ask<{ torch: string; blas: unknown }>({ cmd: 'info' });
  info.close();
  const loadBefore = loadavg()[0];
  const results = await compare(preset, threads, rounds);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, loadBefore, node: process.version, torch, blas };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ machine, results })}\n`);
    return;
  }
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  for (const row of results) {
    process.stdout.write(
      `${preset} ${threads} thread(s)  ${row.side.padEnd(14)} median ${row.tokensPerSecond.toFixed(0)} tok/s  best ` +
        `${row.bestTokensPerSecond.toFixed(0)}  ours is ${row.oursFasterBy.toFixed(2)} times as fast ` +
        `(quartiles ${row.oursFasterByQuartiles.map((end) => end.toFixed(2)).join(' to ')})  peak memory ${row.peakMemoryMiB.toFixed(0)} MiB\n`,
    );
  }
}

const pairs = values.presets
  .split(',')
  .flatMap((preset) => values.threads.split(',').map((threads) => [preset, threads]));
if (pairs.length === 1) {
  const [[preset = '', threads = ''] = []] = pairs;
  await measure(preset, Number(threads), Number(values.rounds));
} else {
  for (const [preset = '', threads = ''] of pairs) {
    const own = [
      '--presets',
      preset,
      '--threads',
      threads,
      '--rounds',
      values.rounds,
      ...(values.json ? ['--json'] : []),
    ];
    const script = fileURLToPath(import.meta.url);
    const child = spawn(process.execPath, [...process.execArgv, script, ...own], { stdio: 'inherit' });
    const [code] = await once(child, 'exit');
    if (code !== 0) process.exitCode = 1;
  }
}
