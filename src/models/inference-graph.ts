import type { Tensor } from '../core/tensor.ts';
import { Graph, type Value } from '../graph/graph.ts';
import {
  add,
  cast,
  cumSum,
  fusedRmsNorm,
  gather,
  lessOrEqual,
  max,
  mul,
  neg,
  range,
  reshape,
  reshapeLike,
  shapeOf,
  slice,
  sliceBy,
  sub,
  where,
} from '../graph/ops/index.ts';
import { type AttentionContext, attention } from './attention.ts';
import { buildLayers, buildLogits } from './causal-lm.ts';
import type { ModelConfig } from './config.ts';
import { mambaFused } from './mamba-fused.ts';
import { fusedExperts } from './moe.ts';
import { attentionHeadSize, mambaSizes } from './parameters.ts';
import { storedWeights } from './weights.ts';

const largest = 2 ** 31 - 1;
/** Size of the axis over past and present tokens, as joining both names it. */
const totalLength = 'past_length+sequence_length';

/** Names and shapes of the state a model carries between calls, in the order of its layers; `B` and `P` are symbols. */
export function stateShapes(
  config: ModelConfig,
): readonly { past: string; present: string; shape: readonly (number | string)[] }[] {
  return config.layersBlockType.flatMap((type, index) => {
    if (type === 'mamba') {
      const conv = ['batch_size', config.mambaDConv - 1, mambaSizes(config).conv];
      const ssm = ['batch_size', config.mambaNHeads, config.mambaDState, config.mambaDHead];
      return [
        { past: `past_conv.${index}`, present: `present_conv.${index}`, shape: conv },
        { past: `past_ssm.${index}`, present: `present_ssm.${index}`, shape: ssm },
      ];
    }
    const shape = ['batch_size', config.numKeyValueHeads, 'past_length', attentionHeadSize(config)];
    return ['key', 'value'].map((part) => ({
      past: `past_key_values.${index}.${part}`,
      present: `present.${index}.${part}`,
      shape,
    }));
  });
}

/**
 * The model for inference, for any batch and length: fused operators, weights stored, state in and out. Inputs:
 * `input_ids` int64[B, T], `attention_mask` int64[B, S] over past and present tokens (left padding is 0),
 * `num_logits_to_keep` int64 scalar (0 keeps all), and the state of `stateShapes`. Outputs: `logits`
 * float32[B, L, V] and the new state.
 */
export function buildInferenceGraph(config: ModelConfig, tensors: ReadonlyMap<string, Tensor>): Graph {
  const graph = new Graph();
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', totalLength]);
  const keep = graph.input('num_logits_to_keep', 'int64', []);
  const past = new Map(stateShapes(config).map(({ past: name, shape }) => [name, graph.input(name, 'float32', shape)]));
  const present = new Map<string, Value>();
  const state = (name: string): Value => past.get(name) as Value;

  const weights = storedWeights(graph, tensors);
  const length = shapeOf(ids, 1);
  const tokenMask = newest(mask, length, graph);
  const padding = reshape(cast(tokenMask, 'float32'), ['batch_size', 'sequence_length', 1]);
  const attentionInputs = config.layersBlockType.includes('attention') ? attentionContext(mask, length) : undefined;

  const embedded = gather(weights.get('model.embed_tokens.weight'), ids);
  const hidden = buildLayers(embedded, config, weights, {
    norm: fusedRmsNorm,
    mix(x, layer, type, own) {
      if (type === 'mamba') {
        const before = { conv: state(`past_conv.${layer}`), ssm: state(`past_ssm.${layer}`) };
        const result = mambaFused(x, config, own, before, padding);
        present.set(`present_conv.${layer}`, result.state.conv);
        present.set(`present_ssm.${layer}`, result.state.ssm);
        return result.output;
      }
      const cache = { key: state(`past_key_values.${layer}.key`), value: state(`past_key_values.${layer}.value`) };
      const context = { ...(attentionInputs as AttentionContext), past: cache };
      const result = attention(x, config, own, context);
      present.set(`present.${layer}.key`, result.state.key);
      present.set(`present.${layer}.value`, result.state.value);
      return result.output;
    },
    experts: (x, _layer, own) => reshapeLike(fusedExperts(reshape(x, ['tokens', config.hiddenSize]), config, own), x),
  });
  // hidden[:, -keep:]: keep = 0 starts at 0 and so keeps everything.
  const wanted = sliceBy(hidden, 1, neg(reshape(keep, [1])), graph.indices([largest]), 'logits_length');
  graph.output('logits', buildLogits(wanted, config, weights));
  for (const { present: name } of stateShapes(config)) graph.output(name, present.get(name) as Value);
  return graph;
}

/**
 * Adds an output that only says how many tokens a state stands for, `present.0.key` `float32[B, 1, S, 0]`, to a graph
 * without attention layers. transformers.js reads the length from a cache of keys, and refuses to go on without one.
 *
 * @param graph - From {@link buildInferenceGraph}; one with attention layers stays as it is.
 */
export function addLengthOutput(graph: Graph): void {
  if (graph.outputs.some(({ name }) => name.endsWith('.key'))) return;
  const mask = graph.inputs.find(({ name }) => name === 'attention_mask') as Value;
  const rows = reshape(cast(mask, 'float32'), ['batch_size', 1, totalLength, 1]);
  graph.output('present.0.key', slice(rows, 3, 0, 0));
}

/** The mask's columns that belong to the tokens of this call. */
function newest(mask: Value, length: Value, graph: Graph): Value {
  return sliceBy(mask, 1, neg(length), graph.indices([largest]), 'sequence_length');
}

/** Which earlier tokens each token may look at, and where each stands when padding is not counted. */
function attentionContext(mask: Value, length: Value): AttentionContext {
  const { graph } = mask;
  const total = shapeOf(mask, 1);
  const zero = graph.constant('int64', [], [0]);
  const keys = range(zero, reshape(total, []), totalLength);
  const queries = add(range(zero, reshape(length, []), 'sequence_length'), sub(total, length));
  const causal = lessOrEqual(reshape(keys, [1, totalLength]), reshape(queries, ['sequence_length', 1]));
  const allowed = mul(cast(causal, 'int64'), reshape(mask, ['batch_size', 1, 1, 1, totalLength]));
  const bias = where(cast(allowed, 'bool'), graph.constant('float32', [], [0]), graph.constant('float32', [], [-1e9]));
  const counted = max(sub(cumSum(mask, 1), 1), 0);
  const positions = cast(sliceBy(counted, 1, neg(length), graph.indices([largest]), 'sequence_length'), 'float32');
  return { bias, positions };
}
