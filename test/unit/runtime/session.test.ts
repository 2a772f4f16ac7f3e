import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { add, cast, matMul, mul } from '../../../src/graph/ops/index.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession, runtimeVersion, type SessionOptions } from '../../../src/runtime/session.ts';

/** `product` = x w, `shifted` = x + 1 and `whole` = x as int64, for x of any number of rows of 2. */
function openExample(options?: SessionOptions) {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['rows', 2]);
  const w = graph.initializer('w', tensor('float32', [2, 2], Float32Array.of(0, 1, 1, 0)));
  graph.output('product', matMul(x, w));
  graph.output('shifted', add(x, graph.constant('float32', [], [1])));
  graph.output('whole', cast(mul(x, graph.constant('float32', [], [2])), 'int64'));
  return createSession(encodeOnnx(graph), options);
}

const x = (...values: number[]): Tensor => tensor('float32', [values.length / 2, 2], Float32Array.from(values));

describe('a session', () => {
  it('names its inputs and outputs and computes them, for any size of a symbol', async () => {
    const session = await openExample();
    expect(session.inputNames).toEqual(['x']);
    expect(session.outputNames).toEqual(['product', 'shifted', 'whole']);
    for (const rows of [1, 3]) {
      const results = await session.run({ x: x(...Array(rows).fill([1, 2]).flat()) });
      expect(results['product']).toEqual(x(...Array(rows).fill([2, 1]).flat()));
      expect(results['shifted']).toEqual(x(...Array(rows).fill([2, 3]).flat()));
      expect(results['whole']).toEqual(
        tensor('int64', [rows, 2], BigInt64Array.from(Array(rows).fill([2n, 4n]).flat() as bigint[])),
      );
    }
    await session.release();
  });

  it('writes into preallocated outputs and computes no others', async () => {
    const session = await openExample();
    const memory = new Float32Array(8);
    const product = tensor('float32', [2, 2], memory.subarray(2, 6));
    const results = await session.run({ x: x(1, 2, 3, 4) }, { product });
    expect([...memory]).toEqual([0, 0, 2, 1, 4, 3, 0, 0]);
    expect(Object.keys(results)).toEqual(['product']);
    await session.run({ x: x(5, 6, 7, 8) }, { product });
    expect([...memory]).toEqual([0, 0, 6, 5, 8, 7, 0, 0]);
    await session.release();
  });

  it('reads its feeds at each run, without a copy kept from before', async () => {
    const session = await openExample();
    const feed = x(1, 2);
    await session.run({ x: feed });
    (feed.data as Float32Array).set([10, 20]);
    expect((await session.run({ x: feed }))['product']).toEqual(x(20, 10));
    await session.release();
  });

  it.each<[string, Record<string, Tensor>, Record<string, Tensor>?]>([
    ['an input is missing', {}],
    ['an input has another name', { y: x(1, 2) }],
    ['an input has another type', { x: tensor('int64', [1, 2], BigInt64Array.of(1n, 2n)) }],
    ['an input has another shape', { x: tensor('float32', [1, 3], Float32Array.of(1, 2, 3)) }],
    ['an output is not known', { x: x(1, 2) }, { nothing: x(1, 2) }],
    ['memory for an output has another shape', { x: x(1, 2) }, { product: x(1, 2, 3, 4) }],
    [
      'a tensor does not hold what its shape says',
      { x: { dtype: 'float32', shape: [4, 2], data: Float32Array.of(1) } },
    ],
  ])('says so if %s, and still runs afterwards', async (_, feeds, fetches) => {
    const session = await openExample();
    await expect(session.run(feeds, fetches)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringMatching(/^ONNX Runtime could not run the model: ./),
    });
    expect((await session.run({ x: x(1, 2) }))['product']).toEqual(x(2, 1));
    await session.release();
  });

  it('does not run after its release', async () => {
    const session = await openExample();
    await session.release();
    await expect(session.run({ x: x(1, 2) })).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
  });

  it('gives the same with more threads', async () => {
    const [one, two] = [await openExample(), await openExample({ threads: 2 })];
    expect(await two.run({ x: x(1, 2, 3, 4) })).toEqual(await one.run({ x: x(1, 2, 3, 4) }));
    await one.release();
    await two.release();
  });

  it('writes a profile where it is asked to', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'itera-profile-'));
    const session = await openExample({ profilePrefix: join(folder, 'profile') });
    await session.run({ x: x(1, 2) });
    await session.release();
    const [file = ''] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file), 'utf8')) as { args?: { op_name?: string } }[];
    expect(events.map(({ args }) => args?.op_name)).toContain('MatMul');
    await rm(folder, { recursive: true });
  });
});

describe('createSession', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['something else', new TextEncoder().encode('This is not a model.')],
  ])('refuses %s', async (_, bytes) => {
    await expect(createSession(bytes)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringMatching(/^ONNX Runtime could not load the model: ./),
    });
  });
});

describe('runtimeVersion', () => {
  it('is a version', () => {
    expect(runtimeVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
