import { describe, expect, test } from 'vitest';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { fedWeights, storedWeights } from '../../../src/models/weights.ts';

const tensors = new Map<string, Tensor>([
  ['a.w', tensor('float32', [2], Float32Array.of(1, 2))],
  ['a.b.w', tensor('float32', [1], Float32Array.of(3))],
]);
const doubled = ({ dtype, shape, data }: Tensor): Tensor =>
  tensor(
    dtype,
    shape,
    (data as Float32Array).map((value) => 2 * value),
  );
const missing = (name: string) =>
  expect.objectContaining({ code: 'WEIGHTS_MISMATCH', message: `Weight ${name} is missing.`, data: { name } });

describe('stored weights', () => {
  test('become initializers under their own names, once', () => {
    const graph = new Graph();
    const weights = storedWeights(graph, tensors);
    const value = weights.get('a.w');
    expect(value.constant).toBe(tensors.get('a.w'));
    expect(weights.within('a.').get('w')).toBe(value);
    expect(weights.within('a.').within('b.').get('w').name).toBe('a.b.w');
    expect(graph.initializers.map(({ name }) => name)).toEqual(['a.w', 'a.b.w']);
  });

  test('that nothing asks for are not stored', () => {
    const graph = new Graph();
    storedWeights(graph, tensors).derived('a.w', 'doubled', doubled);
    expect(graph.initializers.map(({ name, constant }) => [name, constant?.data])).toEqual([
      ['a.w.doubled', Float32Array.of(2, 4)],
    ]);
    expect(tensors.get('a.w')?.data).toEqual(Float32Array.of(1, 2));
  });

  test('derived ones are computed once', () => {
    const weights = storedWeights(new Graph(), tensors);
    let calls = 0;
    const change = (weight: Tensor) => {
      calls++;
      return doubled(weight);
    };
    expect(weights.within('a.').derived('w', 'doubled', change)).toBe(weights.derived('a.w', 'doubled', change));
    expect(calls).toBe(1);
  });

  test('that are missing are named in full', () => {
    const weights = storedWeights(new Graph(), tensors, 'a.');
    expect(() => weights.get('nothing')).toThrow(missing('a.nothing'));
    expect(() => weights.within('b.').derived('nothing', 'doubled', doubled)).toThrow(missing('a.b.nothing'));
  });
});

describe('fed weights', () => {
  const shapes = new Map([
    ['a.w', [2]],
    ['a.b.w', [1, 3]],
  ]);

  test('are all inputs, in order', () => {
    const graph = new Graph();
    const weights = fedWeights(graph, shapes);
    expect(graph.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['a.w', 'float32', [2]],
      ['a.b.w', 'float32', [1, 3]],
    ]);
    expect(weights.within('a.').within('b.').get('w')).toBe(graph.inputs[1]);
    expect([...weights.values.keys()]).toEqual([...shapes.keys()]);
  });

  test('that are missing are named in full', () => {
    expect(() => fedWeights(new Graph(), shapes).within('a.').get('nothing')).toThrow(missing('a.nothing'));
  });

  test('have no content to derive others from', () => {
    expect(() => fedWeights(new Graph(), shapes).within('a.').derived('w', 'doubled', doubled)).toThrow(
      expect.objectContaining({ code: 'GRAPH_INVALID', message: expect.stringContaining('a.w') }),
    );
  });
});

test('labels tell where weights belong', () => {
  const weights = storedWeights(new Graph(), tensors, 'model.');
  expect([weights.label, weights.within('layers.0.').label]).toEqual(['model.', 'model.layers.0.']);
  expect(fedWeights(new Graph(), new Map()).within('x.').label).toBe('x.');
});
