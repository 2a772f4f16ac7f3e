import { gradients } from '../graph/gradient.ts';
import { Graph, type Value } from '../graph/graph.ts';
import { add, mul, reshape } from '../graph/ops/index.ts';
import { pruneGraph } from '../graph/passes/prune.ts';
import { buildTrainingModel } from '../models/causal-lm.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { fedWeights } from '../models/weights.ts';
import { crossEntropy } from './loss.ts';

export interface TrainingGraphOptions {
  readonly batchSize: number;
  readonly sequenceLength: number;
  /** Weight of the experts' load-balancing loss in the total. */
  readonly balanceWeight: number;
}

/** Name of the output that holds a weight's gradient. */
export const gradientName = (weight: string): string => `gradient:${weight}`;

/**
 * One training step's computation. Inputs: `input_ids` and `targets` int64[B, T], and every weight under its name.
 * Outputs: `loss` (mean cross-entropy, nats), `balance` (load-balancing loss, 1 when balanced; without experts absent)
 * and the gradient of `loss + balanceWeight * balance` for every weight.
 */
export function buildTrainingGraph(config: ModelConfig, options: TrainingGraphOptions): Graph {
  const { batchSize, sequenceLength, balanceWeight } = options;
  const graph = new Graph();
  const shape = [batchSize, sequenceLength];
  const tokens = graph.input('input_ids', 'int64', shape);
  const targets = graph.input('targets', 'int64', shape);
  const weights = fedWeights(graph, parameterShapes(config));
  const { logits, balance } = buildTrainingModel(tokens, config, weights);
  const loss = graph.scope('loss', () => crossEntropy(logits, reshape(targets, [batchSize * sequenceLength])));
  const total: Value = balance && balanceWeight > 0 ? add(loss, mul(balance, balanceWeight)) : loss;
  const names = [...weights.values.keys()];
  const found = gradients(total, [...weights.values.values()]);
  graph.output('loss', loss);
  if (balance) graph.output('balance', balance);
  names.forEach((name, index) => {
    graph.output(gradientName(name), found[index] as Value);
  });
  pruneGraph(graph);
  return graph;
}
