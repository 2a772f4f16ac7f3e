/**
 * A pass over 128 tokens by the graph that is exported, and by one whose recurrence is unrolled token by token, as an ONNX
 * export through a tracer has it: time to load, time of a pass, interleaved in one run.
 *
 *   npx tsx benchmarks/unrolled-scan.ts [--models micro] [--rounds 30]
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { median, medianInterval } from '../src/core/statistics.ts';
import { type Tensor, tensor } from '../src/core/tensor.ts';
import { Graph, type Value } from '../src/graph/graph.ts';
import {
  add,
  concat,
  exp,
  fusedRmsNorm,
  gather,
  matMul,
  mul,
  neg,
  reshape,
  silu,
  slice,
  softplus,
  split,
} from '../src/graph/ops/index.ts';
import { foldConstants } from '../src/graph/passes/fold-constants.ts';
import { buildLayers, buildLogits } from '../src/models/causal-lm.ts';
import type { ModelConfig } from '../src/models/config.ts';
import { encodeInferenceModel } from '../src/models/inference-model.ts';
import { project } from '../src/models/linear.ts';
import { fusedExperts } from '../src/models/moe.ts';
import { mambaSizes } from '../src/models/parameters.ts';
import { storedWeights, type Weights } from '../src/models/weights.ts';
import { encodeOnnx } from '../src/onnx/encoding.ts';
import { openModel } from '../src/runtime/load-model-file.ts';
import { createSession, runtimeVersion } from '../src/runtime/session.ts';
import { zeroStates } from '../src/runtime/state.ts';

const length = 128;

const { values } = parseArgs({
  options: { models: { type: 'string', default: 'micro' }, rounds: { type: 'string', default: '30' } },
});

/** A Mamba block whose recurrence is as many nodes as there are tokens, times seven. x is `[1, T, D]`. */
function mambaUnrolled(x: Value, config: ModelConfig, weights: Weights): Value {
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize } = config;
  if (groups !== 1) throw new Error('Expected one group.');
  const { graph } = x;
  const sizes = mambaSizes(config);
  const zeros = (shape: number[]): Value =>
    graph.store('zeros', tensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1))));
  const [z, xbc, dtRaw] = split(project(x, 'in_proj', config, weights), 2, [sizes.inner, sizes.conv, heads]) as [
    Value,
    Value,
    Value,
  ];
  const padded = concat([zeros([1, config.mambaDConv - 1, sizes.conv]), xbc], 1);
  const taps = split(
    reshape(weights.get('conv1d.weight'), [sizes.conv, config.mambaDConv]),
    1,
    Array(config.mambaDConv).fill(1),
  );
  const shifted = taps.map((tap, index) => mul(slice(padded, 1, index, index + length), reshape(tap, [sizes.conv])));
  const convolved = silu(add(shifted.reduce(add), weights.get('conv1d.bias')));
  const [inner, b, c] = split(convolved, 2, [sizes.inner, stateSize, stateSize]) as [Value, Value, Value];
  const dt = softplus(add(dtRaw, weights.get('dt_bias')));
  const decay = exp(mul(dt, neg(exp(weights.get('A_log')))));
  let state = zeros([heads, stateSize, headSize]);
  const outputs: Value[] = [];
  for (let t = 0; t < length; t++) {
    const at = (value: Value, shape: number[]): Value => reshape(slice(value, 1, t, t + 1), shape);
    const stepped = mul(at(inner, [heads, 1, headSize]), at(dt, [heads, 1, 1]));
    state = add(mul(state, at(decay, [heads, 1, 1])), mul(at(b, [1, stateSize, 1]), stepped));
    outputs.push(reshape(matMul(at(c, [1, 1, stateSize]), state), [1, 1, sizes.inner]));
  }
  const skip = weights.derived('D', 'repeated', ({ data }: Tensor) => {
    const source = data as Float32Array;
    const repeated = Float32Array.from(
      { length: sizes.inner },
      (_, index) => source[Math.floor(index / headSize)] as number,
    );
    return tensor('float32', [sizes.inner], repeated);
  });
  const gated = mul(add(concat(outputs, 1), mul(inner, skip)), silu(z));
  return project(fusedRmsNorm(gated, weights.get('norm.weight'), config.rmsNormEps), 'out_proj', config, weights);
}

function encodeUnrolled(config: ModelConfig, tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const graph = new Graph();
  const weights = storedWeights(graph, tensors);
  const ids = graph.input('input_ids', 'int64', [1, length]);
  const hidden = buildLayers(gather(weights.get('model.embed_tokens.weight'), ids), config, weights, {
    norm: fusedRmsNorm,
    mix: (x, _layer, _type, own) => mambaUnrolled(x, config, own),
    experts: (x, _layer, own) =>
      reshape(fusedExperts(reshape(x, [length, config.hiddenSize]), config, own), [1, length, config.hiddenSize]),
  });
  graph.output('logits', buildLogits(hidden, config, weights));
  foldConstants(graph);
  return encodeOnnx(graph);
}

process.stdout.write(
  `${JSON.stringify({ cpu: cpus()[0]?.model, cores: cpus().length, loadBefore: loadavg()[0], node: process.version, onnxruntime: runtimeVersion() })}\n`,
);
for (const model of values.models.split(',')) {
  const { config, weights } = await openModel(`itera-lite-${model}`);
  const ids = tensor(
    'int64',
    [1, length],
    BigInt64Array.from({ length }, (_, index) => BigInt((index * 7919 + 13) % config.vocabSize)),
  );
  const feeds = {
    ...Object.fromEntries(zeroStates(config, 1)),
    input_ids: ids,
    attention_mask: tensor('int64', [1, length], new BigInt64Array(length).fill(1n)),
    num_logits_to_keep: tensor('int64', [], BigInt64Array.of(0n)),
  };
  const load = async (bytes: Uint8Array) => {
    const started = performance.now();
    const session = await createSession(bytes, { threads: 1 });
    return { session, loadMs: performance.now() - started };
  };
  const ours = await load(encodeInferenceModel({ config, weights }));
  const unrolled = await load(encodeUnrolled(config, weights));
  const own = (await ours.session.run(feeds))['logits']?.data as Float32Array;
  const other = (await unrolled.session.run({ input_ids: ids }))['logits']?.data as Float32Array;
  const difference = own.reduce((most, value, index) => Math.max(most, Math.abs(value - (other[index] as number))), 0);
  if (!(difference < 1e-3)) throw new Error(`The two graphs differ by ${difference}.`);
  const times: [number[], number[]] = [[], []];
  for (let round = -5; round < Number(values.rounds); round++) {
    for (const [side, run] of [
      () => ours.session.run(feeds),
      () => unrolled.session.run({ input_ids: ids }),
    ].entries()) {
      const started = performance.now();
      await run();
      if (round >= 0) times[side]?.push(performance.now() - started);
    }
  }
  const ratios = times[0].map((value, round) => (times[1][round] as number) / value);
  process.stdout.write(
    `${model}: logits differ by ${difference.toExponential(1)}; loading ${ours.loadMs.toFixed(0)} ms, unrolled ${unrolled.loadMs.toFixed(0)} ms; ` +
      `a pass ${median(times[0]).toFixed(2)} ms, unrolled ${median(times[1]).toFixed(2)} ms: ` +
      `${median(ratios).toFixed(2)} times as fast [${medianInterval(ratios)
        .interval.map((end) => end.toFixed(2))
        .join(', ')}]\n`,
  );
  await ours.session.release();
  await unrolled.session.release();
}
