import { fromBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { type DType, dtypeBytes, viewBytes } from '../core/dtype.ts';
import { IteraError } from '../core/errors.ts';
import { elementCount, type Tensor, tensor } from '../core/tensor.ts';
import { type Attribute, Graph, type Value } from '../graph/graph.ts';
import { onnxTypes } from '../graph/ops/elementwise.ts';
import '../graph/ops/index.ts';
import { findOperator } from '../graph/operator.ts';
import type { Dim } from '../graph/shape.ts';

/** Operator sets in which the operators known here mean the same; the runtime refuses newer ones. */
const knownOpsets = [18n, 26n] as const;

/**
 * Reads an ONNX model made of the operators this project knows, with its weights inside the file. Nodes keep their
 * names; copies (Identity) disappear.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` if the bytes are no ONNX model, `GRAPH_INVALID` for an unknown operator or
 *   operator set or a value used before it is made or made twice, `SHAPE_MISMATCH` if shapes clash.
 */
export function decodeOnnx(bytes: Uint8Array): { graph: Graph; metadata: Record<string, string> } {
  const model = parse(bytes);
  try {
    return { graph: decodeGraph(model), metadata: decodeMetadata(model) };
  } catch (cause) {
    if (cause instanceof IteraError) throw cause;
    // Fields that no writer of ONNX produces, such as an axis of -7, trip shape rules in ways they do not foresee.
    throw new IteraError('FILE_CORRUPT', `Expected an ONNX model, got absurd fields: ${String(cause)}.`, {}, { cause });
  }
}

const decodeMetadata = ({ metadataProps }: ModelProto): Record<string, string> =>
  Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));

function decodeGraph({ graph: proto, opsetImport }: ModelProto): Graph {
  const opset = opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
  if (!proto || !opset) {
    throw new IteraError(
      'FILE_CORRUPT',
      `Expected an ONNX model, got one without ${proto ? 'operator set' : 'graph'}.`,
    );
  }
  const [oldest, newest] = knownOpsets;
  if (opset.version < oldest || opset.version > newest) {
    const message = `Expected operator set ${oldest} to ${newest}, got ${opset.version}. Convert the model first.`;
    throw new IteraError('GRAPH_INVALID', message, { opset: Number(opset.version) });
  }
  const graph = new Graph();
  const values = new Map<string, Value>();
  const stored = new Set(proto.initializer.map(({ name }) => name));
  for (const info of proto.input) {
    if (!stored.has(info.name)) values.set(info.name, graph.input(info.name, ...decodeValueInfo(info)));
  }
  for (const content of proto.initializer)
    values.set(content.name, graph.initializer(content.name, decodeTensor(content)));
  const dims = new Map([...proto.valueInfo, ...proto.output].map((info) => [info.name, decodeValueInfo(info)[1]]));
  for (const node of proto.node) {
    if (node.domain === '' && node.opType === 'Identity') {
      setOnce(values, node.output[0] ?? '', lookUp(values, node.input[0] ?? '', node.name), node.name);
      continue;
    }
    const operator = findOperator(node.domain, node.opType);
    const attributes = Object.fromEntries(node.attribute.map((item) => [item.name, decodeAttribute(item)]));
    const inputs = node.input.map((name) => (name === '' ? undefined : lookUp(values, name, node.name)));
    const shapes = node.output.map((name) => dims.get(name));
    const hint = operator.sizeHint?.(shapes, inputs, attributes);
    const known = { ...attributes, ...(hint !== undefined && { itera_dims: hint }) };
    const outputs = graph.add(operator, inputs, known, node.name);
    node.output.forEach((name, index) => {
      setOnce(values, name, outputs[index], node.name);
    });
  }
  for (const { name } of proto.output) graph.output(name, lookUp(values, name, 'output list'));
  return graph;
}

function setOnce(values: Map<string, Value>, name: string, value: Value | undefined, maker: string): void {
  // An empty name leaves out an optional output.
  if (!value || name === '') return;
  if (values.has(name)) throw new IteraError('GRAPH_INVALID', `Node ${maker} makes "${name}" a second time.`, { name });
  values.set(name, value);
}

function parse(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new IteraError(
      'FILE_CORRUPT',
      `Expected an ONNX model, got bytes that do not parse: ${String(cause)}.`,
      {},
      { cause },
    );
  }
}

function lookUp(values: ReadonlyMap<string, Value>, name: string, user: string): Value {
  const value = values.get(name);
  if (!value) throw new IteraError('GRAPH_INVALID', `Node ${user} uses "${name}" before it is made.`, { name });
  return value;
}

function decodeAttribute(item: AttributeProto): Attribute {
  switch (item.type) {
    case AttributeType.INT:
      return Number(item.i);
    case AttributeType.FLOAT:
      return { float: item.f };
    case AttributeType.STRING:
      return new TextDecoder().decode(item.s);
    case AttributeType.INTS:
      return item.ints.map(Number);
    default:
      throw new IteraError('GRAPH_INVALID', `Attribute ${item.name} is of an unsupported kind.`, { name: item.name });
  }
}

function decodeDtype(number: number, name: string): DType {
  const dtype = onnxTypes[number];
  if (!dtype)
    throw new IteraError('GRAPH_INVALID', `${name} has unsupported element type ${number}.`, { name, number });
  return dtype;
}

function decodeTensor({ name, dataType, dims, rawData }: TensorProto): Tensor {
  const dtype = decodeDtype(dataType, name);
  const shape = dims.map(Number);
  if (shape.some((size) => size < 0) || rawData.length !== elementCount(shape) * dtypeBytes[dtype]) {
    const message = `Tensor ${name} has ${rawData.length} bytes, not those of ${dtype}[${shape.join(', ')}].`;
    throw new IteraError('FILE_CORRUPT', message, { name });
  }
  return tensor(dtype, shape, viewBytes(dtype, rawData, elementCount(shape)));
}

function decodeValueInfo({ name, type }: ValueInfoProto): [DType, Dim[]] {
  if (type?.value.case !== 'tensorType') throw new IteraError('GRAPH_INVALID', `${name} is not a tensor.`, { name });
  const { elemType, shape } = type.value.value;
  const dims = (shape?.dim ?? []).map(
    ({ value }): Dim => (value.case === 'dimValue' ? Number(value.value) : (value.value ?? '?')),
  );
  return [decodeDtype(elemType, name), dims];
}
