import { Graph, type Value } from '../graph/graph.ts';
import {
  add,
  equal,
  exp,
  gatherElements,
  lessOrEqual,
  logSoftmax,
  mul,
  neg,
  reduceSum,
  reshape,
  sub,
  topK,
  where,
} from '../graph/ops/index.ts';

/** Up to this difference between logits, their common shift aside, the series below is exact to 3 parts in 10,000. */
const closeLogits = 0.25;

/**
 * Compares two models token by token, p being the baseline's probabilities and q the candidate's. Inputs: `baseline`
 * and `candidate`, logits `float32[N, V]`, and `targets` int64[N]. Outputs, each `[N]`: `baseline_nats` and
 * `candidate_nats`, -ln of the target's probability; `divergence`, KL(p || q) in nats; `agreement`, whether both models
 * find the same token most likely (of equal logits the first counts).
 *
 * Words to which the baseline gives no probability, such as those of logit -Infinity, add nothing to the divergence; a
 * word that the candidate alone rules out makes it infinite. Logits that are no numbers give NaN.
 *
 * @remarks Checked against float64. With rounded weights, p·(ln p − ln q) cancels to far below float32's rounding of ln
 *   p: around 4e-8 nats it is off by ten times its value. So where all logits are close, the divergence is taken from
 *   their differences e = (b − a) − Σ p (b − a), which float32 holds almost exactly: KL = ln(1 + Σ p (exp(e) − 1 − e)),
 *   with both functions as series.
 */
export function buildDivergenceGraph(vocabSize: number): Graph {
  const graph = new Graph();
  const baseline = graph.input('baseline', 'float32', ['tokens', vocabSize]);
  const candidate = graph.input('candidate', 'float32', ['tokens', vocabSize]);
  const targets = reshape(graph.input('targets', 'int64', ['tokens']), ['tokens', 1]);
  const baselineLog = logSoftmax(baseline);
  const candidateLog = logSoftmax(candidate);
  const perToken = (column: Value): Value => reshape(column, ['tokens']);
  graph.output('baseline_nats', perToken(neg(gatherElements(baselineLog, targets, 1))));
  graph.output('candidate_nats', perToken(neg(gatherElements(candidateLog, targets, 1))));
  graph.output('agreement', perToken(equal(topK(baseline, 1)[1], topK(candidate, 1)[1])));

  const probabilities = exp(baselineLog);
  const zero = graph.constant('float32', [], [0]);
  const terms = mul(probabilities, sub(baselineLog, candidateLog));
  const direct = reduceSum(where(equal(probabilities, 0), zero, terms), [1]);

  const shift = sub(candidate, baseline);
  const difference = sub(shift, reduceSum(mul(probabilities, shift), [1], { keepDims: true }));
  const square = mul(difference, difference);
  // exp(e) - 1 - e = e²/2 + e³/6 + e⁴/24 + ...: above 0 throughout, so the sum is never negative.
  const excess = mul(square, add(mul(add(mul(difference, 1 / 24), 1 / 6), difference), 0.5));
  const sum = reduceSum(mul(probabilities, excess), [1]);
  // ln(1 + x) = x - x²/2 + x³/3 - ...
  const series = mul(sum, sub(1, mul(sum, sub(0.5, mul(sum, 1 / 3)))));
  const largest = perToken(topK(square, 1)[0]);
  // A comparison with NaN is false, so that what is no number takes the direct way and stays no number.
  graph.output('divergence', where(lessOrEqual(largest, closeLogits ** 2), series, direct));
  return graph;
}
