import { describe, expect, test } from 'vitest';
import type { DType } from '../../../src/core/dtype.ts';
import { Graph, type GraphNode, type Value } from '../../../src/graph/graph.ts';
import { exp, mul, split, topK } from '../../../src/graph/ops/index.ts';
import type { Shape } from '../../../src/graph/shape.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';

/** y = exp(2 x), with nodes Mul and Exp. */
function makeGraph(): Graph {
  const graph = new Graph();
  graph.output('y', exp(mul(graph.input('x', 'float32', [2, 'T']), 2)));
  return graph;
}

function replaceNode(graph: Graph, index: number, changes: Partial<GraphNode>): void {
  graph.nodes[index] = { ...(graph.nodes[index] as GraphNode), ...changes };
}

const relabel = (value: Value | undefined, changes: { shape?: Shape; dtype?: DType; name?: string }): Value => ({
  ...(value as Value),
  ...changes,
});

test('an untouched graph passes', () => {
  expect(() => verifyGraph(makeGraph())).not.toThrow();
});

describe('tampering is caught', () => {
  test.each<[string, 'GRAPH_INVALID' | 'SHAPE_MISMATCH', RegExp, (graph: Graph) => void]>([
    [
      'nodes in the wrong order',
      'GRAPH_INVALID',
      /Node Exp uses "Mul.out" before it is made/,
      (graph) => {
        graph.nodes.reverse();
      },
    ],
    [
      'a producer removed',
      'GRAPH_INVALID',
      /Node Exp uses "Mul.out" before it is made/,
      (graph) => {
        graph.nodes.shift();
      },
    ],
    [
      'a stored tensor removed',
      'GRAPH_INVALID',
      /Node Mul uses "constant" before it is made/,
      (graph) => {
        graph.initializers.pop();
      },
    ],
    [
      'an input removed',
      'GRAPH_INVALID',
      /Node Mul uses "x" before it is made/,
      (graph) => {
        graph.inputs.pop();
      },
    ],
    [
      'the producer of an output removed',
      'GRAPH_INVALID',
      /Output y names "Exp.out", which nothing makes/,
      (graph) => {
        graph.nodes.pop();
      },
    ],
    [
      'an output of another graph',
      'GRAPH_INVALID',
      /Output y names "Exp.out", which nothing makes/,
      (graph) => {
        graph.outputs.splice(0, 1, ...makeGraph().outputs);
      },
    ],
    [
      'a wrong recorded shape',
      'SHAPE_MISMATCH',
      /Node Exp: output Exp.out is recorded as float32\[2, 5\], its rule gives float32\[2, T\]/,
      (graph) => {
        const tampered = relabel(graph.nodes[1]?.outputs[0], { shape: [2, 5] });
        replaceNode(graph, 1, { outputs: [tampered] });
      },
    ],
    [
      'a wrong recorded type',
      'SHAPE_MISMATCH',
      /recorded as int64\[2, T\], its rule gives float32\[2, T\]/,
      (graph) => {
        replaceNode(graph, 1, { outputs: [relabel(graph.nodes[1]?.outputs[0], { dtype: 'int64' })] });
      },
    ],
    [
      'an input that no longer fits',
      'SHAPE_MISMATCH',
      /Node Mul \(Mul\) with inputs x float32\[2, T\]; other float32\[3, T\].*do not broadcast/,
      (graph) => {
        replaceNode(graph, 0, { inputs: [graph.inputs[0], graph.input('other', 'float32', [3, 'T'])] });
      },
    ],
    [
      'a missing operand',
      'GRAPH_INVALID',
      /Node Mul .*Input 1 is missing/,
      (graph) => {
        replaceNode(graph, 0, { inputs: [graph.inputs[0]] });
      },
    ],
    [
      'a missing output of a node',
      'GRAPH_INVALID',
      /Node TopK has 1 outputs, not 2/,
      (graph) => {
        topK(graph.input('z', 'float32', [3]), 1);
        replaceNode(graph, 2, { outputs: graph.nodes[2]?.outputs.slice(0, 1) ?? [] });
      },
    ],
    [
      'a value made twice',
      'GRAPH_INVALID',
      /Node Exp makes "Mul.out" a second time/,
      (graph) => {
        replaceNode(graph, 1, { outputs: [relabel(graph.nodes[1]?.outputs[0], { name: 'Mul.out' })] });
      },
    ],
    [
      'two inputs of one name',
      'GRAPH_INVALID',
      /The input list makes "x" a second time/,
      (graph) => {
        graph.inputs.push(relabel(graph.inputs[0], {}));
      },
    ],
    [
      'changed attributes',
      'SHAPE_MISMATCH',
      /Node Split .*do not add up to axis 0/,
      (graph) => {
        split(graph.input('z', 'float32', [3, 4]), 1, [2, 2]);
        replaceNode(graph, 2, { attributes: { axis: 0 } });
      },
    ],
  ])('%s', (_name, code, message, tamper) => {
    const graph = makeGraph();
    tamper(graph);
    expect(() => verifyGraph(graph)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
