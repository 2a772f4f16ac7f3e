import { create, toBinary } from '@bufbuild/protobuf';
import { AttributeProtoSchema, GraphProtoSchema, ModelProtoSchema, NodeProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import { createRandom } from '../../../src/core/random.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { mul } from '../../../src/graph/ops/index.ts';
import { decodeOnnx } from '../../../src/onnx/decoding.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { buildTrainingGraph } from '../../../src/training/training-graph.ts';
import { toyConfig } from '../../parity/toy-config.ts';

type NodeInit = Parameters<typeof create<typeof NodeProtoSchema>>[1];

const floats = (name: string, ...sizes: number[]) => ({
  name,
  type: {
    value: {
      case: 'tensorType' as const,
      value: {
        elemType: 1,
        shape: { dim: sizes.map((size) => ({ value: { case: 'dimValue' as const, value: BigInt(size) } })) },
      },
    },
  },
});

/** An ONNX file of input `x` float32[2], the given nodes and output `y`, with parts replaced. */
function file(
  nodes: NodeInit[],
  changes: { opset?: bigint; initializer?: object[]; outputs?: string[] } = {},
): Uint8Array {
  const { opset = 20n, initializer = [], outputs = ['y'] } = changes;
  const graph = create(GraphProtoSchema, {
    input: [floats('x', 2)] as never,
    output: outputs.map((name) => floats(name, 2)) as never,
    node: nodes.map((node) => create(NodeProtoSchema, node as never)),
    initializer: initializer.map((item) => create(TensorProtoSchema, item as never)),
  });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 10n, opsetImport: [{ version: opset }], graph }),
  );
}

function errorOf(action: () => unknown): IteraError {
  try {
    action();
  } catch (error) {
    if (error instanceof IteraError) return error;
    throw error;
  }
  throw new Error('Expected an error.');
}

const negate = { name: 'n', opType: 'Neg', input: ['x'], output: ['y'] };

describe('refuses what it cannot read, naming it', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    ['an operator it does not know', file([{ ...negate, opType: 'Frobnicate' }]), 'GRAPH_INVALID', /Frobnicate/],
    ['a known operator of another domain', file([{ ...negate, domain: 'com.acme' }]), 'GRAPH_INVALID', /com\.acme:Neg/],
    ['a value used before it is made', file([{ ...negate, input: ['later'] }]), 'GRAPH_INVALID', /n uses "later"/],
    ['an output that nothing makes', file([negate], { outputs: ['nowhere'] }), 'GRAPH_INVALID', /"nowhere"/],
    ['a value made twice', file([negate, negate]), 'GRAPH_INVALID', /"y" a second time/],
    [
      'an input overwritten',
      file([{ ...negate, output: ['x'] }], { outputs: ['x'] }),
      'GRAPH_INVALID',
      /"x" a second time/,
    ],
    ['an output listed twice', file([negate], { outputs: ['y', 'y'] }), 'GRAPH_INVALID', /"y" is declared twice/],
    ['a missing input', file([{ ...negate, opType: 'Add' }]), 'GRAPH_INVALID', /n \(Add\).*Input 1 is missing/],
    ['an old operator set', file([negate], { opset: 9n }), 'GRAPH_INVALID', /set 18 to 26, got 9/],
    ['a future operator set', file([negate], { opset: 99n }), 'GRAPH_INVALID', /set 18 to 26, got 99/],
    [
      'an unsupported element type',
      file([negate], { initializer: [{ name: 'w', dataType: 14, dims: [1n], rawData: new Uint8Array(8) }] }),
      'GRAPH_INVALID',
      /w has unsupported element type 14/,
    ],
    [
      'a tensor of fewer bytes than its shape',
      file([negate], { initializer: [{ name: 'w', dataType: 1, dims: [3n], rawData: new Uint8Array(8) }] }),
      'FILE_CORRUPT',
      /w has 8 bytes, not those of float32\[3\]/,
    ],
    [
      'a tensor of negative sizes',
      file([negate], { initializer: [{ name: 'w', dataType: 1, dims: [-1n, -2n], rawData: new Uint8Array(8) }] }),
      'FILE_CORRUPT',
      /w has/,
    ],
    [
      'a graph as an attribute',
      file([{ ...negate, attribute: [create(AttributeProtoSchema, { name: 'body', type: 5 })] }]),
      'GRAPH_INVALID',
      /Attribute body/,
    ],
    [
      'no graph',
      toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 10n })),
      'FILE_CORRUPT',
      /without graph/,
    ],
    [
      'no operator set',
      toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: create(GraphProtoSchema, {}) })),
      'FILE_CORRUPT',
      /without operator set/,
    ],
    ['nothing', new Uint8Array(0), 'FILE_CORRUPT', /without graph/],
    ['text', new TextEncoder().encode('<!doctype html>'), 'FILE_CORRUPT', /do not parse/],
  ])('%s', (_name, bytes, code, message) => {
    const error = errorOf(() => decodeOnnx(bytes));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

test('copies disappear', () => {
  const copy = { name: 'copy', opType: 'Identity', input: ['x'], output: ['c'] };
  const { graph } = decodeOnnx(file([copy, { ...negate, input: ['c'] }]));
  expect(graph.nodes.map(({ name, operator, inputs }) => [name, operator.opType, inputs[0]?.name])).toEqual([
    ['n', 'Neg', 'x'],
  ]);
});

test('nodes without names and nodes named like values get names of their own', () => {
  const nodes = [
    { opType: 'Neg', input: ['x'], output: ['a'] },
    { opType: 'Neg', input: ['a'], output: ['b'] },
    { ...negate, name: 'x', input: ['b'] },
  ];
  const { graph } = decodeOnnx(file(nodes));
  expect(new Set(['x', ...graph.nodes.map(({ name }) => name)]).size).toBe(4);
  expect(() => encodeOnnx(graph)).not.toThrow();
});

describe('damaged files', () => {
  const bytes = encodeOnnx(
    buildTrainingGraph(toyConfig({ layersBlockType: ['mamba'] }), {
      batchSize: 1,
      sequenceLength: 3,
      balanceWeight: 0.01,
    }),
    { note: 'the end' },
  );

  /** Whatever happens, it is an answer: a graph, or an error of ours. */
  function codeOf(damaged: Uint8Array): string {
    try {
      decodeOnnx(damaged);
      return 'read';
    } catch (error) {
      if (error instanceof IteraError) return error.code;
      throw new Error(`Not an error of ours: ${String(error)}`, { cause: error });
    }
  }

  test('every truncation within the graph is refused', () => {
    const random = createRandom(3);
    const cuts = [1, 2, 3, bytes.length - 40, ...Array.from({ length: 60 }, () => random.integer(bytes.length - 40))];
    expect(new Set(cuts.map((end) => codeOf(bytes.subarray(0, end))))).toEqual(new Set(['FILE_CORRUPT']));
  });

  test('flipped bytes give a graph or an error with a code', () => {
    const random = createRandom(4);
    const codes = Array.from({ length: 150 }, () => {
      const damaged = bytes.slice();
      for (let count = 1 + random.integer(4); count > 0; count--)
        damaged[random.integer(damaged.length)] = random.integer(256);
      return codeOf(damaged);
    });
    expect(codes).toContain('GRAPH_INVALID');
    expect(codes).toContain('FILE_CORRUPT');
  });

  test('random bytes are refused', () => {
    const random = createRandom(5);
    const codes = Array.from({ length: 200 }, () =>
      codeOf(Uint8Array.from({ length: random.integer(300) }, () => random.integer(256))),
    );
    expect(new Set(codes)).toEqual(new Set(['FILE_CORRUPT']));
  });
});

test('an axis out of range is an error, not a crash', () => {
  const graph = new Graph();
  graph.output('y', mul(graph.input('x', 'float32', [2]), 2));
  expect(decodeOnnx(encodeOnnx(graph)).graph.nodes).toHaveLength(1);
  const axes = (name: string, value: bigint) => ({
    name,
    dataType: 7,
    dims: [1n],
    rawData: new Uint8Array(BigInt64Array.of(value).buffer),
  });
  const slice = { name: 's', opType: 'Slice', input: ['x', 'start', 'end', 'axis'], output: ['y'] };
  const initializer = [axes('start', 0n), axes('end', 1n), axes('axis', -7n)];
  expect(errorOf(() => decodeOnnx(file([slice], { initializer }))).code).toBe('SHAPE_MISMATCH');
});
