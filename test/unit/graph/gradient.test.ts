import { describe, expect, test } from 'vitest';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { gradients } from '../../../src/graph/gradient.ts';
import { Graph, type Value } from '../../../src/graph/graph.ts';
import {
  add,
  cast,
  exp,
  gather,
  matMul,
  max,
  mul,
  reciprocal,
  reduceSum,
  reshape,
  softmax,
  split,
  sub,
} from '../../../src/graph/ops/index.ts';
import { pruneGraph } from '../../../src/graph/passes/prune.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession } from '../../../src/runtime/session.ts';

const vector = (...values: number[]): Tensor => tensor('float64', [values.length], Float64Array.from(values));

/** The gradients of a scalar with respect to every input, at a point. */
async function gradientsAt(
  point: Readonly<Record<string, Tensor>>,
  build: (inputs: Readonly<Record<string, Value>>, graph: Graph) => Value,
): Promise<Record<string, number[]>> {
  const graph = new Graph();
  const inputs = Object.fromEntries(
    Object.entries(point).map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]),
  );
  const found = gradients(build(inputs, graph), Object.values(inputs));
  Object.keys(point).forEach((name, index) => {
    graph.output(`d${name}`, found[index] as Value);
  });
  verifyGraph(graph);
  pruneGraph(graph);
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));
  const results = await session.run(point);
  await session.release();
  return Object.fromEntries(
    Object.keys(point).map((name) => [name, Array.from(results[`d${name}`]?.data ?? [], Number)]),
  );
}

const sum = (x: Value): Value =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );

const undefinedGradient = (message: RegExp) =>
  expect.objectContaining({ code: 'GRADIENT_UNDEFINED', message: expect.stringMatching(message) });

describe('values used more than once', () => {
  test('add their gradients', async () => {
    const found = await gradientsAt({ x: vector(1, 2, 3) }, ({ x }) => sum(add(mul(x!, x!), mul(x!, 10))));
    expect(found).toEqual({ x: [12, 14, 16] });
  });

  test('along paths of different length', async () => {
    const found = await gradientsAt({ x: vector(0, 1) }, ({ x }) => {
      const y = exp(x!);
      return sum(add(add(y, mul(y, y)), x!));
    });
    const slope = (x: number) => Math.exp(x) + 2 * Math.exp(2 * x) + 1;
    expect(found['x']?.[0]).toBeCloseTo(slope(0), 10);
    expect(found['x']?.[1]).toBeCloseTo(slope(1), 10);
  });

  test('a value and its own gradient can be asked for together', async () => {
    const graph = new Graph();
    const x = graph.input('x', 'float64', [2]);
    const y = mul(x, 3);
    const [dx, dy] = gradients(sum(mul(y, y)), [x, y]);
    graph.output('dx', dx as Value);
    graph.output('dy', dy as Value);
    const session = await createSession(encodeOnnx(graph));
    const results = await session.run({ x: vector(1, 2) });
    await session.release();
    expect(results['dx']?.data).toEqual(Float64Array.of(18, 36));
    expect(results['dy']?.data).toEqual(Float64Array.of(6, 12));
  });

  test('the loss itself has gradient 1', async () => {
    const found = await gradientsAt({ x: tensor('float64', [], Float64Array.of(5)) }, ({ x }) => x!);
    expect(found).toEqual({ x: [1] });
  });
});

test('parts of a split that the loss does not use get zeros', async () => {
  const found = await gradientsAt({ x: vector(1, 2, 3, 4) }, ({ x }) => sum(mul(split(x!, 0, [1, 2, 1])[1]!, 5)));
  expect(found).toEqual({ x: [0, 5, 5, 0] });
});

test('integer paths carry no gradient', async () => {
  const found = await gradientsAt({ x: vector(1, 2, 0) }, ({ x }) => {
    const table = reshape(mul(x!, 2), [3, 1]);
    return sum(gather(table, cast(x!, 'int64')));
  });
  expect(found).toEqual({ x: [2, 2, 2] });
});

describe('what has no gradient', () => {
  test('an operator without one is named with its node', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [3]);
    const loss = graph.scope('layers.2', () => sum(max(x, 0)));
    expect(() => gradients(loss, [x])).toThrow(undefinedGradient(/Node layers\.2\/Max: operator Max has no gradient/));
  });

  test('is no matter where it does not lie between', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [3]);
    const y = graph.input('y', 'float32', [3]);
    expect(gradients(sum(mul(x, max(y, 0))), [x])[0]?.shape).toEqual([3]);
  });

  test('a value that the loss does not use is named', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [3]);
    const idle = graph.input('idle', 'float32', [3]);
    exp(idle);
    expect(() => gradients(sum(x), [x, idle])).toThrow(undefinedGradient(/does not depend on idle/));
  });

  test('a stored tensor, which counts as a constant', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2]);
    const weight = graph.initializer('weight', tensor('float32', [2], Float32Array.of(1, 2)));
    expect(() => gradients(sum(mul(x, weight)), [weight])).toThrow(undefinedGradient(/weight is stored/));
  });

  test('gathering along another axis than rows', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2, 3]);
    expect(() => gradients(sum(gather(x, graph.indices([0]), 1)), [x])).toThrow(
      undefinedGradient(/Gradient of node Gather \(Gather\): .*rows of a matrix/),
    );
  });

  test('only scalars can be differentiated', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [3]);
    expect(() => gradients(exp(x), [x])).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', message: expect.stringMatching(/Only a scalar/) }),
    );
  });
});

describe('custom gradients', () => {
  /** Softmax by hand; its rule is that of the operator. */
  function ownSoftmax(x: Value): Value {
    return x.graph.withGradient([x], () => {
      const exponential = exp(x);
      const normed = mul(exponential, reciprocal(reduceSum(exponential, [1], { keepDims: true })));
      return {
        outputs: [normed] as const,
        rule: ([upstream]) => {
          if (!upstream) return [];
          const weighted = mul(upstream, normed);
          return [sub(weighted, mul(normed, reduceSum(weighted, [1], { keepDims: true })))];
        },
      };
    })[0];
  }

  test("equal the operators' own", async () => {
    const point = {
      x: tensor('float64', [2, 3], Float64Array.of(0.1, -1, 2, 0.5, 0, -2)),
      w: tensor('float64', [3, 2], Float64Array.of(1, 2, -1, 0.5, 3, 1)),
    };
    const found = (normalize: (x: Value) => Value) =>
      gradientsAt(point, ({ x, w }) => {
        const y = matMul(normalize(mul(x!, 2)), w!);
        return sum(mul(y, exp(y)));
      });
    const [custom, plain] = [await found(ownSoftmax), await found((x) => softmax(x))];
    for (const name of ['x', 'w']) {
      plain[name]?.forEach((value, index) => {
        expect(custom[name]?.[index]).toBeCloseTo(value, 12);
      });
    }
    expect(plain['x']?.some((value) => Math.abs(value) > 0.01)).toBe(true);
  });

  test('replace those of what is built inside, once for several outputs', async () => {
    let calls = 0;
    const found = await gradientsAt({ x: vector(1, 2) }, ({ x }) => {
      const [a, b] = x!.graph.withGradient([x!], () => ({
        outputs: [mul(x!, 2), exp(x!)] as const,
        rule: ([da, db]) => {
          calls++;
          return [add(mul(da as Value, 100), db as Value)];
        },
      }));
      return sum(add(mul(a, 3), b));
    });
    expect(found).toEqual({ x: [301, 301] });
    expect(calls).toBe(1);
  });

  test('get undefined for outputs without influence', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float64', [2]);
    const seen: unknown[] = [];
    const [a] = graph.withGradient([x], () => ({
      outputs: [mul(x, 2), exp(x)] as const,
      rule: (upstream) => {
        seen.push(...upstream.map((gradient) => gradient?.shape));
        return [upstream[0]];
      },
    }));
    gradients(sum(a), [x]);
    expect(seen).toEqual([[2], undefined]);
  });

  test('an outer one wins over those inside', async () => {
    const found = await gradientsAt({ x: vector(1) }, ({ x }) => {
      const [outer] = x!.graph.withGradient([x!], () => {
        const [inner] = x!.graph.withGradient([x!], () => ({
          outputs: [exp(x!)] as const,
          rule: () => {
            throw new Error('The inner rule ran.');
          },
        }));
        return { outputs: [mul(inner, 2)] as const, rule: ([upstream]) => [mul(upstream as Value, 7)] };
      });
      return sum(outer);
    });
    expect(found).toEqual({ x: [7] });
  });

  test('cannot be bypassed by a value from inside', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float64', [2]);
    let leaked = x;
    const [y] = graph.withGradient([x], () => {
      leaked = exp(x);
      return { outputs: [mul(leaked, 2)] as const, rule: ([upstream]) => [upstream] };
    });
    expect(() => gradients(sum(add(y, leaked)), [x])).toThrow(
      undefinedGradient(/Exp\.out is not declared as an output of the custom gradient around node Exp/),
    );
  });

  test('cannot ignore a value from outside', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float64', [2]);
    const z = graph.input('z', 'float64', [2]);
    const build = () =>
      graph.withGradient([x], () => ({ outputs: [mul(x, z)] as const, rule: ([upstream]) => [upstream] }));
    const [y] = build();
    expect(() => gradients(sum(y), [x, z])).toThrow(undefinedGradient(/z is not declared as an input/));
    expect(gradients(sum(build()[0]), [x])).toHaveLength(1);
  });

  test('of the wrong shape are refused', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float64', [2]);
    const [y] = graph.withGradient([x], () => ({
      outputs: [exp(x)] as const,
      rule: ([upstream]) => [reduceSum(upstream as Value, [0])],
    }));
    expect(() => gradients(sum(y), [x])).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', message: 'The gradient of x has shape [], not [2].' }),
    );
  });
});
