import { createRandom } from '../../src/core/random.ts';
import { elementCount, type Tensor, tensor } from '../../src/core/tensor.ts';
import { gradients } from '../../src/graph/gradient.ts';
import { Graph, type Value } from '../../src/graph/graph.ts';
import { mul, reduceSum } from '../../src/graph/ops/index.ts';
import { pruneGraph } from '../../src/graph/passes/prune.ts';
import { verifyGraph } from '../../src/graph/verifier.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';

export interface GradientCase {
  /** Shapes of the differentiable inputs. */
  readonly shapes: readonly (readonly number[])[];
  /** Draws an input element from a standard normal; the identity when absent. */
  readonly draw?: (normal: number) => number;
  readonly build: (inputs: readonly Value[], graph: Graph) => Value;
  readonly dtype?: 'float32' | 'float64';
}

/**
 * Compares our gradient with central differences along a random direction: the loss is the sum of the output weighted
 * by random numbers, so that every output element counts.
 *
 * @returns Relative error of the directional derivative.
 */
export async function gradientError({
  shapes,
  draw = (x) => x,
  build,
  dtype = 'float64',
}: GradientCase): Promise<number> {
  const random = createRandom(7, shapes.length);
  const graph = new Graph();
  const inputs = shapes.map((shape, index) => graph.input(`x${index}`, dtype, shape));
  const output = build(inputs, graph);
  const weightShape = output.shape.map(Number);
  const weights = fill(dtype, weightShape, () => random.normal());
  const loss = reduceSum(
    mul(output, graph.initializer('weights', weights)),
    output.shape.map((_, axis) => axis),
  );
  graph.output('loss', loss);
  gradients(loss, inputs).forEach((gradient, index) => {
    graph.output(`g${index}`, gradient);
  });
  pruneGraph(graph);
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));

  const point = shapes.map((shape) => fill(dtype, shape, () => draw(random.normal())));
  const direction = shapes.map((shape) => fill(dtype, shape, () => random.normal()));
  const evaluate = (step: number) =>
    session.run(
      Object.fromEntries(
        point.map(({ shape, data }, index) => [
          `x${index}`,
          fill(dtype, shape, (at) => Number(data[at]) + step * Number(direction[index]?.data[at])),
        ]),
      ),
    );
  const step = dtype === 'float64' ? 1e-5 : 2e-3;
  const [centre, above, below] = [await evaluate(0), await evaluate(step), await evaluate(-step)];
  await session.release();
  const numeric = (Number(above['loss']?.data[0]) - Number(below['loss']?.data[0])) / (2 * step);
  const analytic = direction.reduce((sum, { data }, index) => {
    const gradient = centre[`g${index}`] as Tensor;
    return sum + Array.from(data as Float64Array).reduce((part, d, at) => part + d * Number(gradient.data[at]), 0);
  }, 0);
  return Math.abs(numeric - analytic) / Math.max(1, Math.abs(numeric));
}

function fill(dtype: 'float32' | 'float64', shape: readonly number[], at: (index: number) => number): Tensor {
  const length = elementCount(shape);
  return dtype === 'float64'
    ? tensor(
        dtype,
        shape,
        Float64Array.from({ length }, (_, index) => at(index)),
      )
    : tensor(
        dtype,
        shape,
        Float32Array.from({ length }, (_, index) => at(index)),
      );
}
