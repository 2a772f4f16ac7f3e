import { createRandom } from '../core/random.ts';
import { tensor } from '../core/tensor.ts';
import { Graph } from '../graph/graph.ts';
import { matMul } from '../graph/ops/index.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession } from '../runtime/session.ts';

/** Rows and columns of the product whose rate counts as what the machine can do. */
const size = 1024;

/** Floating-point operations per second of a large matrix product in ONNX Runtime, the best of `repeats`. */
export async function measureProductRate(threads: number, repeats = 8): Promise<number> {
  const graph = new Graph();
  const shape = [size, size];
  graph.output('product', matMul(graph.input('a', 'float32', shape), graph.input('b', 'float32', shape)));
  const session = await createSession(encodeOnnx(graph), { threads });
  const random = createRandom(1);
  const draw = () =>
    tensor(
      'float32',
      shape,
      Float32Array.from({ length: size * size }, () => random.uniform()),
    );
  const feeds = { a: draw(), b: draw() };
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const started = performance.now();
    await session.run(feeds);
    best = Math.min(best, performance.now() - started);
  }
  await session.release();
  return (2 * size ** 3) / (best / 1000);
}
