import { describe, expect, test } from 'vitest';
import { tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { findOperator, listOperators } from '../../../src/graph/operator.ts';
import { add, concat, exp, mul } from '../../../src/graph/ops/index.ts';
import { pruneGraph } from '../../../src/graph/passes/prune.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'GRAPH_INVALID', message: expect.stringMatching(message) });

describe('names', () => {
  test('of inputs and stored tensors are taken once', () => {
    const graph = new Graph();
    graph.input('x', 'float32', [1]);
    expect(() => graph.input('x', 'float32', [1])).toThrow(invalid(/"x" is empty or already taken/));
    const content = tensor('float32', [1], Float32Array.of(1));
    expect(() => graph.initializer('x', content)).toThrow(invalid(/"x"/));
    expect(() => graph.initializer('', content)).toThrow(invalid(/"" is empty/));
  });

  test('of outputs are taken once', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1]);
    graph.output('y', exp(x));
    expect(() => graph.output('y', exp(x))).toThrow(invalid(/"y" is declared twice/));
  });

  test('of nodes say the scope and are made unique', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1]);
    graph.scope('layers.0', () => graph.scope('mlp', () => exp(exp(x))));
    exp(x);
    expect(graph.nodes.map(({ name }) => name)).toEqual(['layers.0/mlp/Exp', 'layers.0/mlp/Exp_1', 'Exp']);
    expect(graph.nodes[0]?.outputs[0]?.name).toBe('layers.0/mlp/Exp.out');
  });

  test('leave a scope even if building fails', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1]);
    expect(() =>
      graph.scope('broken', () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    exp(x);
    expect(graph.nodes[0]?.name).toBe('Exp');
  });

  test('given from outside are kept, or made unique', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1]);
    const operator = findOperator('', 'Exp');
    for (const name of ['mine', 'mine', 'x', '']) graph.scope('here', () => graph.add(operator, [x], {}, name));
    expect(graph.nodes.map(({ name }) => name)).toEqual(['mine', 'mine_1', 'x_1', 'here/Exp']);
  });
});

test('a value of another graph is refused, naming node and value', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', [1]);
  const stranger = new Graph().input('stranger', 'float32', [1]);
  expect(() => add(x, stranger)).toThrow(invalid(/Node Add uses stranger of another graph/));
  expect(graph.nodes).toHaveLength(0);
});

describe('constants', () => {
  test('equal ones are stored once, others not', () => {
    const graph = new Graph();
    const one = graph.constant('float32', [], [1]);
    expect(graph.constant('float32', [], [1])).toBe(one);
    for (const [dtype, shape, values] of [
      ['float64', [], [1]],
      ['float32', [1], [1]],
      ['float32', [], [2]],
      ['int64', [2], [1, 12]],
      ['int64', [2], [11, 2]],
    ] as const) {
      expect(graph.constant(dtype, shape, values)).not.toBe(one);
    }
    expect(graph.initializers).toHaveLength(6);
  });

  test('of every type hold their numbers', () => {
    const graph = new Graph();
    expect(graph.constant('float32', [2], [0.5, -1]).constant?.data).toEqual(Float32Array.of(0.5, -1));
    expect(graph.constant('float64', [], [Math.PI]).constant?.data).toEqual(Float64Array.of(Math.PI));
    expect(graph.constant('int32', [1], [-3]).constant?.data).toEqual(Int32Array.of(-3));
    expect(graph.constant('bool', [2], [1, 0]).constant?.data).toEqual(Uint8Array.of(1, 0));
    expect(graph.indices([3, -1]).constant).toEqual(tensor('int64', [2], BigInt64Array.of(3n, -1n)));
    expect(() => graph.constant('float16', [], [1])).toThrow(invalid(/No constants of type float16/));
    expect(() => graph.constant('float32', [2], [1])).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
  });
});

test('an operation needs a tensor', () => {
  expect(() => add(1, 2)).toThrow(invalid(/Add needs at least one tensor/));
  expect(() => concat([], 0)).toThrow(invalid(/at least one/));
});

test('operators are found by domain and name', () => {
  expect(findOperator('', 'Add')).toBe(findOperator('ai.onnx', 'Add'));
  expect(findOperator('com.microsoft', 'MoE').domain).toBe('com.microsoft');
  expect(() => findOperator('', 'MoE')).toThrow(invalid(/MoE is not known/));
  expect(listOperators().length).toBeGreaterThan(40);
});

describe('pruning', () => {
  test('removes what no output needs and keeps the order of the rest', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2]);
    graph.input('unused', 'float32', [2]);
    const scale = graph.initializer('scale', tensor('float32', [2], Float32Array.of(1, 2)));
    graph.initializer('idle', tensor('float32', [2], Float32Array.of(1, 2)));
    const kept = mul(x, scale);
    exp(add(kept, 7));
    const last = exp(kept);
    graph.output('y', last);
    pruneGraph(graph);
    verifyGraph(graph);
    expect(graph.nodes.map(({ name }) => name)).toEqual(['Mul', 'Exp_1']);
    expect(graph.initializers).toEqual([scale]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x', 'unused']);
  });

  test('keeps a node of which one output is needed', () => {
    const graph = new Graph();
    const [, indices] = graph.add(findOperator('', 'TopK'), [graph.input('x', 'float32', [4]), graph.indices([2])]);
    graph.output('indices', indices as never);
    pruneGraph(graph);
    expect(graph.nodes[0]?.outputs).toHaveLength(2);
    verifyGraph(graph);
  });

  test('a constant dropped by it can be used again', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2]);
    add(x, 7);
    graph.output('y', exp(x));
    pruneGraph(graph);
    expect(graph.initializers).toEqual([]);
    graph.output('z', add(x, 7));
    verifyGraph(graph);
    expect(graph.initializers).toHaveLength(1);
  });
});
