import { gradients } from '../graph/gradient.ts';
import { Graph, type Value } from '../graph/graph.ts';
import { add, mul, reshape } from '../graph/ops/index.ts';
import { pruneGraph } from '../graph/passes/prune.ts';
import { scaleProducts } from '../graph/passes/scale-products.ts';
import { buildTrainingModel } from '../models/causal-lm.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { fedWeights } from '../models/weights.ts';
import { type DistillationOptions, distillationLoss, type TeacherValues } from './distillation-loss.ts';
import { feedbackLoss, type PositionValues } from './feedback-loss.ts';
import { crossEntropy } from './loss.ts';

export interface TrainingGraphOptions {
  readonly batchSize: number;
  readonly sequenceLength: number;
  /** Weight of the experts' load-balancing loss in the total. */
  readonly balanceWeight: number;
  /** Take `dropout_masks`, see `buildTrainingModel`. */
  readonly masked?: boolean;
  /** Learn from a teacher too; the graph then has more inputs and an output. */
  readonly distillation?: DistillationOptions;
  /** Learn from judged texts, see {@link feedbackLoss}; in place of distillation. */
  readonly feedback?: FeedbackOptions;
}

export interface FeedbackOptions {
  /** K: the teacher's most probable tokens that are known. */
  readonly topK: number;
}

/** Name of the output that holds a weight's gradient. */
export const gradientName = (weight: string): string => `gradient:${weight}`;

/**
 * One training step's computation. Inputs: `input_ids` and `targets` int64[B, T], and every weight under its name.
 * Outputs: `loss` (mean cross-entropy, nats), `balance` (load-balancing loss, 1 when balanced; without experts absent)
 * and the gradient of `loss + balanceWeight * balance` for every weight.
 *
 * With dropout also the input `dropout_masks` float32[2 * layers, B, D]. With distillation also the inputs `teacher_ids` int64[B*T, K], `teacher_weights` float32[B*T, K] and `target_weights`
 * float32[B*T] of {@link distillationLoss}, whose total then stands in the place of `loss` for the gradient, and the
 * output `divergence` (mean divergence from the teacher, nats). `loss` stays the cross-entropy of the text. With feedback
 * besides those the inputs `imitate`, `avoid` and `follow` float32[B*T] of {@link feedbackLoss}, which also says what `loss`
 * and `divergence` then are.
 */
export function buildTrainingGraph(config: ModelConfig, options: TrainingGraphOptions): Graph {
  const { batchSize, sequenceLength, balanceWeight, masked, distillation, feedback } = options;
  const rows = batchSize * sequenceLength;
  const graph = new Graph();
  const shape = [batchSize, sequenceLength];
  const tokens = graph.input('input_ids', 'int64', shape);
  const targets = graph.input('targets', 'int64', shape);
  const weights = fedWeights(graph, parameterShapes(config));
  const masks = masked
    ? graph.input('dropout_masks', 'float32', [2 * config.numHiddenLayers, batchSize, config.hiddenSize])
    : undefined;
  const { logits, balance } = buildTrainingModel(tokens, config, weights, masks);
  const { loss, objective, divergence } = graph.scope('loss', () => {
    const truth = reshape(targets, [rows]);
    if (distillation) return distillationLoss(logits, truth, teacherInputs(graph, rows, distillation), distillation);
    if (feedback) return feedbackLoss(logits, truth, teacherInputs(graph, rows, feedback), positionInputs(graph, rows));
    const crossed = crossEntropy(logits, truth);
    return { loss: crossed, objective: crossed, divergence: undefined };
  });
  const total: Value = balance && balanceWeight > 0 ? add(objective, mul(balance, balanceWeight)) : objective;
  const names = [...weights.values.keys()];
  const found = gradients(total, [...weights.values.values()]);
  graph.output('loss', loss);
  if (balance) graph.output('balance', balance);
  if (divergence) graph.output('divergence', divergence);
  names.forEach((name, index) => {
    graph.output(gradientName(name), found[index] as Value);
  });
  pruneGraph(graph);
  scaleProducts(graph);
  return graph;
}

function teacherInputs(graph: Graph, rows: number, { topK }: FeedbackOptions): TeacherValues {
  return {
    ids: graph.input('teacher_ids', 'int64', [rows, topK]),
    weights: graph.input('teacher_weights', 'float32', [rows, topK]),
    targetWeights: graph.input('target_weights', 'float32', [rows]),
  };
}

const positionInputs = (graph: Graph, rows: number): PositionValues => ({
  imitate: graph.input('imitate', 'float32', [rows]),
  avoid: graph.input('avoid', 'float32', [rows]),
  follow: graph.input('follow', 'float32', [rows]),
});
