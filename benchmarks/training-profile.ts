// Where the time of a training step goes, and how close the step comes to the rate at which the machine multiplies
// matrices: `npx tsx benchmarks/training-profile.ts [--preset small] [--threads 1] [--batch 8] [--rounds 12] [--json]`.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRandom } from '../src/core/random.ts';
import { median } from '../src/core/statistics.ts';
import { type Tensor, tensor } from '../src/core/tensor.ts';
import { Graph } from '../src/graph/graph.ts';
import { gemm, matMul } from '../src/graph/ops/index.ts';
import { countOperations, listProducts, type MatrixProduct } from '../src/graph/product-count.ts';
import { initializeWeights } from '../src/models/initialization.ts';
import { presetConfig } from '../src/models/presets.ts';
import { encodeOnnx } from '../src/onnx/encoding.ts';
import { createSession, runtimeVersion } from '../src/runtime/session.ts';
import { startShardThreads } from '../src/training/shard-threads-file.ts';
import { createStepper, type StepperOptions } from '../src/training/stepper.ts';
import { buildTrainingGraph } from '../src/training/training-graph.ts';

const sequenceLength = 256;
const balanceWeight = 0.01;
/** Of the large product that stands for the machine's rate. */
const squareSize = 1024;
const warmupRounds = 2;
const shownOperators = 16;

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'small' },
    threads: { type: 'string', default: '1' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '12' },
    json: { type: 'boolean', default: false },
  },
});

/** One product, ready to be timed. */
interface TimedProduct {
  readonly product: MatrixProduct;
  /** How many nodes of the step compute a product of these sizes. */
  readonly nodes: number;
  run(): Promise<number>;
  release(): Promise<void>;
}

async function loadProduct(product: MatrixProduct, nodes: number, threads: number): Promise<TimedProduct> {
  const { m, n, k, count, transA, transB } = product;
  const batched = (rows: number, columns: number) => (count > 1 ? [count, rows, columns] : [rows, columns]);
  const shapes = { a: batched(...swap(m, k, transA)), b: batched(...swap(k, n, transB)), c: batched(m, n) };
  const graph = new Graph();
  const [a, b] = [graph.input('a', 'float32', shapes.a), graph.input('b', 'float32', shapes.b)];
  graph.output('c', (count > 1 ? matMul : gemm)(a, b, { transA, transB }));
  const session = await createSession(encodeOnnx(graph), { threads });
  const random = createRandom(1);
  const fill = (shape: number[]): Tensor => {
    const size = shape.reduce((product, dim) => product * dim);
    return tensor(
      'float32',
      shape,
      Float32Array.from({ length: size }, () => random.uniform() - 0.5),
    );
  };
  const feeds = { a: fill(shapes.a), b: fill(shapes.b) };
  const fetches = { c: fill(shapes.c) };
  return {
    product,
    nodes,
    run: () => timed(() => session.run(feeds, fetches)),
    release: () => session.release(),
  };
}

const swap = (rows: number, columns: number, swapped: boolean): [number, number] =>
  swapped ? [columns, rows] : [rows, columns];

/** Seconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Equal products of a step as one, with the number of their nodes. */
function groupProducts(products: readonly MatrixProduct[]): { product: MatrixProduct; nodes: number }[] {
  const groups = new Map<string, { product: MatrixProduct; nodes: number }>();
  for (const product of products) {
    const { m, n, k, count, transA, transB } = product;
    const key = [m, n, k, count, transA, transB].join();
    const known = groups.get(key);
    groups.set(key, { product, nodes: (known?.nodes ?? 0) + 1 });
  }
  return [...groups.values()];
}

interface OperatorShare {
  readonly operator: string;
  readonly milliseconds: number;
  readonly calls: number;
}

/** Sums over nodes of each node's least time, by operator: what the work takes, whatever else the machine does. */
function readProfile(path: string): OperatorShare[] {
  const events = JSON.parse(readFileSync(path, 'utf8')) as {
    cat: string;
    name: string;
    dur: number;
    args: { op_name: string };
  }[];
  const nodes = new Map<string, { operator: string; microseconds: number }>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const least = Math.min(dur, nodes.get(name)?.microseconds ?? dur);
    nodes.set(name, { operator: args.op_name, microseconds: least });
  }
  const sums = new Map<string, OperatorShare>();
  for (const { operator, microseconds } of nodes.values()) {
    const { milliseconds, calls } = sums.get(operator) ?? { milliseconds: 0, calls: 0 };
    sums.set(operator, { operator, milliseconds: milliseconds + microseconds / 1000, calls: calls + 1 });
  }
  return [...sums.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}

async function measure() {
  const [threads, batchSize, rounds] = [Number(values.threads), Number(values.batch), Number(values.rounds)];
  const config = presetConfig(values.preset);
  const parts = batchSize % threads === 0 ? threads : 1;
  const microBatchSize = batchSize / parts;
  const graph = buildTrainingGraph(config, { batchSize: microBatchSize, sequenceLength, balanceWeight });
  // Experts share the rows among them in one way or another; the operations of all together are always the same.
  const rows = microBatchSize * sequenceLength;
  const expertRows = Math.round((rows * config.numExpertsPerTok) / config.numLocalExperts);
  const { products } = listProducts(graph, () => expertRows);
  const operations = parts * countOperations(products);

  const loadBefore = loadavg()[0];
  const square = { node: '', m: squareSize, n: squareSize, k: squareSize, count: 1, transA: false, transB: false };
  const squareProduct = await loadProduct(square, 1, threads);
  const ownProducts = await Promise.all(
    groupProducts(products).map(({ product, nodes }) => loadProduct(product, nodes, threads)),
  );
  const options: StepperOptions = {
    ...{ batchSize, microBatchSize, sequenceLength, balanceWeight, clipNorm: 1, threads },
    adamw: { beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weightDecay: 0.1 },
  };
  const random = createRandom(1);
  const weights = initializeWeights(config, random);
  const draw = () =>
    BigInt64Array.from({ length: batchSize * sequenceLength }, () => BigInt(random.integer(config.vocabSize)));
  const batch = { inputIds: draw(), targets: draw() };
  const stepper = await createStepper(config, weights, options, startShardThreads);

  // Turn by turn, so that all see the same machine.
  const steps: number[] = [];
  const squares: number[] = [];
  const own = ownProducts.map((): number[] => []);
  for (let round = 0; round < rounds + warmupRounds; round++) {
    const step = await timed(() => stepper.step(batch, 1e-3));
    const turn = [await squareProduct.run(), await squareProduct.run()];
    for (const [index, product] of ownProducts.entries()) own[index]?.push(await product.run());
    if (round < warmupRounds) continue;
    steps.push(step);
    squares.push(...turn);
  }
  await stepper.release();
  await Promise.all([squareProduct, ...ownProducts].map((product) => product.release()));

  const folder = mkdtempSync(join(tmpdir(), 'training-profile-'));
  const profiled = await createStepper(config, weights, { ...options, profilePrefix: join(folder, 'step') });
  for (let round = 0; round < rounds; round++) await profiled.step(batch, 1e-3);
  await profiled.release();
  const [file = ''] = readdirSync(folder);
  const operators = readProfile(join(folder, file));
  rmSync(folder, { recursive: true });

  const ownSeconds = ownProducts.reduce((sum, { nodes }, index) => sum + nodes * Math.min(...(own[index] ?? [])), 0);
  const rateOf = (count: number, seconds: number): number => count / seconds / 1e9;
  const matMulRate = rateOf(2 * squareSize ** 3, Math.min(...squares));
  const ownRate = rateOf(countOperations(products), ownSeconds);
  const least = Math.min(...steps);
  const stepRate = rateOf(operations, least);
  return {
    machine: {
      ...{ cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, runtime: runtimeVersion() },
      ...{ loadBefore, loadAfter: loadavg()[0] },
    },
    ...{ preset: values.preset, threads, batchSize, sequenceLength, rounds, nodes: graph.nodes.length },
    gigaOperations: operations / 1e9,
    /** GFLOP/s. */
    rates: { matMul: matMulRate, ownProducts: ownRate, step: stepRate, medianStep: rateOf(operations, median(steps)) },
    shares: {
      ofMatMul: stepRate / matMulRate,
      ofOwnProducts: stepRate / ownRate,
      medianOfMatMul: rateOf(operations, median(steps)) / rateOf(2 * squareSize ** 3, median(squares)),
    },
    stepMs: { least: 1000 * least, median: 1000 * median(steps) },
    tokensPerSecond: (batchSize * sequenceLength) / least,
    operators,
  };
}

const result = await measure();
if (values.json) {
  process.stdout.write(`${JSON.stringify(result)}\n`);
} else {
  const { machine, rates, shares, stepMs, operators } = result;
  const total = operators.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  const rate = (value: number): string => `${value.toFixed(1)} GFLOP/s`;
  const lines = [
    JSON.stringify(machine),
    `${result.preset}, ${result.batchSize} x ${sequenceLength} tokens, ${result.threads} thread(s): least step ` +
      `${stepMs.least.toFixed(0)} ms, median ${stepMs.median.toFixed(0)} ms, ${result.tokensPerSecond.toFixed(0)} tokens/s`,
    `products of a step: ${result.gigaOperations.toFixed(2)} GFLOP, at ${rate(rates.step)} over the whole step`,
    `  ${percent(shares.ofMatMul)} of a product of ${squareSize} x ${squareSize}, ${rate(rates.matMul)} ` +
      `(medians: ${percent(shares.medianOfMatMul)})`,
    `  ${percent(shares.ofOwnProducts)} of the step's own products alone, ${rate(rates.ownProducts)}`,
    `operators, the least time of each node summed (${total.toFixed(1)} ms):`,
    ...operators
      .slice(0, shownOperators)
      .map(
        ({ operator, milliseconds, calls }) =>
          `  ${operator.padEnd(28)} ${percent(milliseconds / total).padStart(6)} ${milliseconds.toFixed(2).padStart(8)} ms ${String(calls).padStart(5)} calls`,
      ),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
