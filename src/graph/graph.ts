import type { DType } from '../core/dtype.ts';
import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import { formatShape, type Shape } from './shape.ts';

/** A tensor in a graph: its name, element type and shape, not its content. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The content, for initializers and constants. */
  readonly constant?: Tensor;
}

export type Attribute = number | { readonly float: number } | string | readonly number[];

export type Attributes = Readonly<Record<string, Attribute>>;

/** Element type and shape of one output. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * Gradients of a node's inputs, given those of its outputs (undefined where an output does not matter). Emits nodes at
 * the end of the node's graph; undefined for inputs that have none, such as indices.
 */
export type NodeGradient = (
  node: GraphNode,
  outputGradients: readonly (Value | undefined)[],
) => readonly (Value | undefined)[];

/** An ONNX operator: everything the project knows of it stands in one place. */
export interface Operator {
  readonly opType: string;
  /** `''` is ONNX's own domain. */
  readonly domain: '' | 'com.microsoft';
  /** Shape rule. Throws `SHAPE_MISMATCH` or `GRAPH_INVALID`. */
  readonly infer: (inputs: readonly (Value | undefined)[], attributes: Attributes) => readonly TensorType[];
  /**
   * For operators whose output sizes only run-time values decide: the `itera_dims` attribute that makes `infer` give
   * the output shapes recorded in a file. Undefined if the node does not need one.
   */
  readonly sizeHint?: (
    outputShapes: readonly (Shape | undefined)[],
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
  ) => string | undefined;
  /** Absent where the operator is not differentiable or only used for inference. */
  readonly gradient?: NodeGradient;
}

/** One application of an operator. */
export interface GraphNode {
  readonly name: string;
  readonly operator: Operator;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/** Computes gradients of a region's inputs from those of its outputs; see {@link Graph.withGradient}. */
export type GradientRule = (outputGradients: readonly (Value | undefined)[]) => readonly (Value | undefined)[];

/** A stretch of nodes whose gradient is given by a rule of its own instead of the operators' rules. */
export interface CustomRegion {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Nodes [start, end) of the graph. */
  readonly start: number;
  readonly end: number;
  readonly rule: GradientRule;
}

/**
 * A computation as a list of ONNX operators in the order they run. Building a graph adds nodes to its end; every node's
 * shapes are checked as it is added.
 */
export class Graph {
  readonly inputs: Value[] = [];
  readonly outputs: { name: string; value: Value }[] = [];
  readonly initializers: Value[] = [];
  readonly nodes: GraphNode[] = [];
  readonly regions: CustomRegion[] = [];
  readonly #names = new Set<string>();
  readonly #scalars = new Map<string, Value>();
  #scope: string[] = [];

  /** Declares an input. Symbols in `shape` are sizes the caller chooses at each run. */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#value(this.#claim(name), dtype, shape);
    this.inputs.push(value);
    return value;
  }

  /** Adds a tensor stored with the graph, such as a weight. */
  initializer(name: string, content: Tensor): Value {
    return this.#store(this.#claim(name), content);
  }

  /** Adds a stored tensor whose name, for instance that of what it is made from, is made unique if taken. */
  store(stem: string, content: Tensor): Value {
    return this.#store(this.uniqueName(stem, true), content);
  }

  /** A small constant; equal scalars and index lists are stored once. */
  constant(dtype: DType, shape: readonly number[], values: readonly number[]): Value {
    const key = `${dtype}${shape.join('x')}:${values.join()}`;
    const known = this.#scalars.get(key);
    if (known) {
      // Pruning may have dropped it from the graph in between.
      if (!this.initializers.includes(known)) this.initializers.push(known);
      return known;
    }
    const value = this.#store(this.uniqueName('constant', true), numbersToTensor(dtype, shape, values));
    this.#scalars.set(key, value);
    return value;
  }

  /** An int64 constant vector, as ONNX wants for axes, sizes and offsets. */
  indices(values: readonly number[]): Value {
    return this.constant('int64', [values.length], values);
  }

  /** Names a value as an output of the graph. */
  output(name: string, value: Value): void {
    if (this.outputs.some((output) => output.name === name)) {
      throw new IteraError('GRAPH_INVALID', `Output "${name}" is declared twice.`, { name });
    }
    this.outputs.push({ name, value });
  }

  /**
   * Adds a node.
   *
   * @param ownName - Its name, for instance that of the file it comes from, made unique if taken; by default the scope
   *   and the operator.
   * @throws {@link IteraError} `SHAPE_MISMATCH` or `GRAPH_INVALID`, naming the node and its inputs' shapes.
   */
  add(
    operator: Operator,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    ownName?: string,
  ): readonly Value[] {
    const name = ownName ? this.uniqueName(ownName, true) : this.uniqueName(operator.opType);
    const foreign = inputs.find((value) => value && value.graph !== this);
    if (foreign) throw new IteraError('GRAPH_INVALID', `Node ${name} uses ${foreign.name} of another graph.`, { name });
    const types = inferTypes(name, operator, inputs, attributes);
    const outputs = types.map(({ dtype, shape }, index) =>
      this.#value(types.length === 1 ? `${name}.out` : `${name}.out${index}`, dtype, shape),
    );
    this.nodes.push({ name, operator, inputs, outputs, attributes });
    return outputs;
  }

  /** Runs `build` with its nodes' names prefixed, so that printed graphs and profiles tell where a node comes from. */
  scope<T>(name: string, build: () => T): T {
    this.#scope.push(name);
    try {
      return build();
    } finally {
      this.#scope.pop();
    }
  }

  /**
   * Builds outputs from inputs and replaces the operators' own gradients, in reverse mode, by a rule written by hand.
   * The rule may use every value made while building.
   */
  withGradient<T extends readonly Value[]>(
    inputs: readonly Value[],
    build: () => { outputs: T; rule: GradientRule },
  ): T {
    const start = this.nodes.length;
    const { outputs, rule } = build();
    this.regions.push({ inputs, outputs, start, end: this.nodes.length, rule });
    return outputs;
  }

  /** A name not used so far: within the current scope, or of the whole graph. */
  uniqueName(stem: string, global = false): string {
    const base = global ? stem : [...this.#scope, stem].join('/');
    let name = base;
    for (let count = 1; this.#names.has(name); count++) name = `${base}_${count}`;
    this.#names.add(name);
    return name;
  }

  #store(name: string, content: Tensor): Value {
    const value: Value = {
      ...this.#value(name, content.dtype, content.shape),
      constant: content,
    };
    this.initializers.push(value);
    return value;
  }

  #claim(name: string): string {
    if (name === '' || this.#names.has(name)) {
      throw new IteraError('GRAPH_INVALID', `Value name "${name}" is empty or already taken.`, { name });
    }
    this.#names.add(name);
    return name;
  }

  #value(name: string, dtype: DType, shape: Shape): Value {
    return { graph: this, name, dtype, shape };
  }
}

/** Applies an operator's shape rule; a clash names the node and every input's shape. */
export function inferTypes(
  name: string,
  operator: Operator,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
): readonly { dtype: DType; shape: Shape }[] {
  try {
    return operator.infer(inputs, attributes);
  } catch (error) {
    if (!(error instanceof IteraError)) throw error;
    const listed = inputs.map((value) => (value ? `${value.name} ${value.dtype}${formatShape(value.shape)}` : 'none'));
    throw new IteraError(
      error.code,
      `Node ${name} (${operator.opType}) with inputs ${listed.join('; ')}: ${error.message}`,
      {
        ...error.data,
        node: name,
        shapes: inputs.map((value) => value?.shape),
      },
      { cause: error },
    );
  }
}

function numbersToTensor(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  switch (dtype) {
    case 'float32':
      return tensor(dtype, shape, Float32Array.from(values));
    case 'float64':
      return tensor(dtype, shape, Float64Array.from(values));
    case 'int64':
      return tensor(
        dtype,
        shape,
        BigInt64Array.from(values, (value) => BigInt(value)),
      );
    case 'int32':
      return tensor(dtype, shape, Int32Array.from(values));
    case 'bool':
      return tensor(dtype, shape, Uint8Array.from(values));
    default:
      throw new IteraError('GRAPH_INVALID', `No constants of type ${dtype}; use an initializer.`, { dtype });
  }
}
