import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { IteraError } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { Attribute, Graph, GraphNode, Value } from '../graph/graph.ts';
import { onnxTypeNumber } from '../graph/ops/elementwise.ts';

/** ONNX versions written; the runtime used here refuses default-domain opset 27 and newer. */
const onnxVersions = { ir: 10, opset: 20, microsoft: 1 } as const;

/** Attributes with this prefix exist only inside the project, e.g. names of sizes. */
const privatePrefix = 'itera_';

/** How a graph is written as ONNX. */
export interface EncodeOptions {
  /**
   * Leave out nodes' names and number the values between them, which are for readers only: for files that are to be
   * small. Inputs, outputs and stored tensors keep their names.
   */
  readonly shortNames?: boolean;
}

/**
 * Serialises a graph as an ONNX model (protobuf).
 *
 * @param metadata - Written as the model's metadata properties.
 * @throws {@link IteraError} `GRAPH_INVALID` if two values would get one name, such as an output named like an input.
 * @see ONNX Concepts and onnx.proto, IR version 10.
 */
export function encodeOnnx(
  graph: Graph,
  metadata: Readonly<Record<string, string>> = {},
  { shortNames = false }: EncodeOptions = {},
): Uint8Array {
  const outputNames = new Map<Value, string>();
  const copied: { name: string; value: Value }[] = [];
  for (const { name, value } of graph.outputs) {
    // A value that is an input, stored, or already an output under another name is copied to its new name.
    const fixed = graph.inputs.includes(value) || value.constant || outputNames.has(value);
    if (!fixed) outputNames.set(value, name);
    else if (name !== value.name) copied.push({ name, value });
  }
  const numbers = shortNames ? numberValues(graph) : new Map<Value, string>();
  const nameOf = (value: Value): string => outputNames.get(value) ?? numbers.get(value) ?? value.name;
  checkNames([
    ...[...graph.inputs, ...graph.initializers, ...graph.nodes.flatMap(({ outputs }) => outputs)].map(nameOf),
    ...copied.map(({ name }) => name),
  ]);
  const aliases = copied.map(({ name, value }) =>
    create(NodeProtoSchema, { opType: 'Identity', name: `output/${name}`, input: [nameOf(value)], output: [name] }),
  );
  const proto = create(GraphProtoSchema, {
    name: 'itera-lite',
    input: graph.inputs.map((value) => encodeValueInfo(value.name, value)),
    output: graph.outputs.map(({ name, value }) => encodeValueInfo(name, value)),
    initializer: graph.initializers.map((value) => encodeTensor(value.name, value.constant as Tensor)),
    node: [...graph.nodes.map((node) => encodeNode(node, nameOf, shortNames)), ...aliases],
    // Shapes that cannot be computed again from the standard attributes alone.
    valueInfo: graph.nodes
      .filter(({ attributes }) => Object.keys(attributes).some((name) => name.startsWith(privatePrefix)))
      .flatMap(({ outputs }) => outputs)
      .filter((value) => !outputNames.has(value))
      .map((value) => encodeValueInfo(nameOf(value), value)),
  });
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(onnxVersions.ir),
    producerName: 'itera-lite',
    opsetImport: [
      { domain: '', version: BigInt(onnxVersions.opset) },
      { domain: 'com.microsoft', version: BigInt(onnxVersions.microsoft) },
    ],
    graph: proto,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  return toBinary(ModelProtoSchema, model);
}

/** Names such as `%1a` for the values that nodes make; no name of ours begins so. */
function numberValues(graph: Graph): Map<Value, string> {
  const made = graph.nodes.flatMap(({ outputs }) => outputs);
  return new Map(made.map((value, index) => [value, `%${index.toString(36)}`]));
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new IteraError('GRAPH_INVALID', `Two values would be named "${name}".`, { name });
    seen.add(name);
  }
}

function encodeNode(
  { name, operator, inputs, outputs, attributes }: GraphNode,
  nameOf: (value: Value) => string,
  anonymous: boolean,
) {
  return create(NodeProtoSchema, {
    name: anonymous ? '' : name,
    opType: operator.opType,
    domain: operator.domain,
    input: inputs.map((value) => (value ? nameOf(value) : '')),
    output: outputs.map(nameOf),
    attribute: Object.entries(attributes)
      .filter(([key]) => !key.startsWith(privatePrefix))
      .map(([key, value]) => encodeAttribute(key, value)),
  });
}

function encodeAttribute(name: string, value: Attribute) {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map((item) => BigInt(item)) });
}

function encodeTensor(name: string, { dtype, shape, data }: Tensor) {
  return create(TensorProtoSchema, {
    name,
    dataType: onnxTypeNumber(dtype),
    dims: shape.map((dim) => BigInt(dim)),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function encodeValueInfo(name: string, { dtype, shape }: Value) {
  const dim = shape.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: size } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: { case: 'tensorType', value: { elemType: onnxTypeNumber(dtype), shape: { dim } } },
    }),
  });
}
