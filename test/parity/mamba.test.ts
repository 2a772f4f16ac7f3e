import { describe, expect, test } from 'vitest';
import { type Tensor, tensor } from '../../src/core/tensor.ts';
import { Graph } from '../../src/graph/graph.ts';
import { reshape } from '../../src/graph/ops/index.ts';
import { verifyGraph } from '../../src/graph/verifier.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { mambaChunked } from '../../src/models/mamba-chunked.ts';
import { mambaFused } from '../../src/models/mamba-fused.ts';
import { mambaReference, type ReferenceState, type ReferenceWeights } from '../../src/models/mamba-reference.ts';
import { mambaSizes } from '../../src/models/parameters.ts';
import { presets } from '../../src/models/presets.ts';
import { storedWeights } from '../../src/models/weights.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';
import { maxDifference, randomTensor, randomWeights } from './random-weights.ts';

const prefix = 'model.layers.0.mamba.';

interface Case {
  readonly batch: number;
  readonly length: number;
  readonly chunk: number;
  readonly changes?: Partial<ModelConfig>;
}

function configOf({ chunk, changes }: Case): ModelConfig {
  return { ...presets.micro(), mambaChunkSize: chunk, ...changes };
}

interface Run {
  readonly output: Tensor;
  readonly conv: Tensor;
  readonly ssm: Tensor;
}

type Form = (x: Tensor, config: ModelConfig, weights: ReadonlyMap<string, Tensor>, before?: Run) => Promise<Run>;

const chunked: Form = (x, config, weights, before) =>
  runGraph(x, config, before, (graph, input, state) => {
    const [batch, length, width] = x.shape as [number, number, number];
    const own = storedWeights(graph, weights, prefix);
    const result = mambaChunked(reshape(input, [batch * length, width]), batch, length, config, own, state);
    return { ...result, output: reshape(result.output, [batch, length, width]) };
  });

const fused: Form = (x, config, weights, before) =>
  runGraph(x, config, before, (graph, input, state) =>
    mambaFused(input, config, storedWeights(graph, weights, prefix), state),
  );

async function runGraph(
  x: Tensor,
  config: ModelConfig,
  before: Run | undefined,
  build: (
    graph: Graph,
    input: ReturnType<Graph['input']>,
    state: { conv: ReturnType<Graph['input']>; ssm: ReturnType<Graph['input']> },
  ) => ReturnType<typeof mambaFused>,
): Promise<Run> {
  const [batch = 1] = x.shape;
  const convShape = [batch, config.mambaDConv - 1, mambaSizes(config).conv];
  const ssmShape = [batch, config.mambaNHeads, config.mambaDState, config.mambaDHead];
  const graph = new Graph();
  const input = graph.input('x', 'float32', x.shape);
  const state = { conv: graph.input('conv', 'float32', convShape), ssm: graph.input('ssm', 'float32', ssmShape) };
  const result = build(graph, input, state);
  graph.output('output', result.output);
  graph.output('next_conv', result.state.conv);
  graph.output('next_ssm', result.state.ssm);
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));
  const zeros = (shape: number[]) => tensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b)));
  const results = await session.run({ x, conv: before?.conv ?? zeros(convShape), ssm: before?.ssm ?? zeros(ssmShape) });
  await session.release();
  return {
    output: results['output'] as Tensor,
    conv: results['next_conv'] as Tensor,
    ssm: results['next_ssm'] as Tensor,
  };
}

function reference(x: Tensor, config: ModelConfig, weights: ReadonlyMap<string, Tensor>) {
  const [batch = 1, length = 1, width = 1] = x.shape;
  const own: ReferenceWeights = Object.fromEntries(
    [...weights]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { data }]) => [name.slice(prefix.length), data as Float32Array]),
  );
  const runs = Array.from({ length: batch }, (_, row): { output: Float64Array; state: ReferenceState } =>
    mambaReference(
      (x.data as Float32Array).subarray(row * length * width, (row + 1) * length * width),
      length,
      config,
      own,
    ),
  );
  const join = (parts: Float64Array[]) => Float64Array.from(parts.flatMap((part) => [...part]));
  return {
    output: join(runs.map((run) => run.output)),
    conv: join(runs.map((run) => run.state.conv)),
    ssm: join(runs.map((run) => run.state.ssm)),
  };
}

const cases: readonly Case[] = [
  { batch: 1, length: 1, chunk: 16 },
  { batch: 2, length: 2, chunk: 16 },
  { batch: 1, length: 16, chunk: 16 },
  { batch: 3, length: 17, chunk: 16 },
  { batch: 2, length: 50, chunk: 16 },
  { batch: 1, length: 64, chunk: 8 },
  { batch: 2, length: 33, chunk: 64 },
  { batch: 2, length: 21, chunk: 8, changes: { mambaNGroups: 2 } },
  { batch: 1, length: 20, chunk: 8, changes: { mambaNGroups: 4, mambaDState: 8, mambaConvBias: false } },
  { batch: 1, length: 20, chunk: 8, changes: { mambaProjBias: true, mambaDConv: 3 } },
];

describe.each([
  ['chunked', chunked],
  ['fused', fused],
])('the %s Mamba-2 block', (_name, form) => {
  test.each(cases)('equals the float64 recurrence: $batch x $length, chunk $chunk, $changes', async (given) => {
    const config = configOf(given);
    const weights = randomWeights(config, 3);
    const x = randomTensor([given.batch, given.length, config.hiddenSize], 11);
    const expected = reference(x, config, weights);
    const actual = await form(x, config, weights);
    expect(maxDifference(actual.output.data as Float32Array, expected.output)).toBeLessThan(1e-5);
    expect(maxDifference(actual.conv.data as Float32Array, expected.conv)).toBeLessThan(1e-5);
    expect(maxDifference(actual.ssm.data as Float32Array, expected.ssm)).toBeLessThan(2e-5);
  });

  test.each([
    [1, 19],
    [7, 13],
    [18, 2],
  ])('carries its state over a cut after %i of %i tokens', async (first, second) => {
    const config = configOf({ batch: 2, length: 0, chunk: 8 });
    const weights = randomWeights(config, 4);
    const [batch, length, width] = [2, first + second, config.hiddenSize];
    const x = randomTensor([batch, length, width], 12);
    const cut = (from: number, to: number) => {
      const rows = [0, 1].map((row) =>
        (x.data as Float32Array).subarray((row * length + from) * width, (row * length + to) * width),
      );
      return tensor('float32', [batch, to - from, width], Float32Array.from(rows.flatMap((row) => [...row])));
    };
    const head = await form(cut(0, first), config, weights);
    const tail = await form(cut(first, length), config, weights, head);
    const expected = reference(x, config, weights);
    const tailExpected = [0, 1].flatMap((row) => [
      ...expected.output.subarray((row * length + first) * width, (row + 1) * length * width),
    ]);
    expect(maxDifference(tail.output.data as Float32Array, tailExpected)).toBeLessThan(1e-5);
    expect(maxDifference(tail.ssm.data as Float32Array, expected.ssm)).toBeLessThan(2e-5);
    expect(maxDifference(tail.conv.data as Float32Array, expected.conv)).toBeLessThan(1e-5);
  });
});
