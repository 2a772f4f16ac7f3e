import { throwIfAborted } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { Graph, Value } from '../graph/graph.ts';
import type { ExpandedExperts } from '../graph/passes/expand-experts.ts';
import { pruneGraph } from '../graph/passes/prune.ts';
import { listStoredProducts } from '../graph/passes/stored-products.ts';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { padRows } from '../runtime/padded-rows.ts';
import { createSession, type SessionOptions } from '../runtime/session.ts';
import { collectInputStatistics, type InputStatistics } from './input-statistics.ts';

/** Rows of a product and what they multiply. */
export interface RowStatistics {
  /** The rows `[from, to)`. */
  readonly from: number;
  readonly to: number;
  readonly statistics: InputStatistics;
}

/**
 * By the name of each product, what its rows multiply: all the same, but for stacked experts, whose rows matter only for
 * the tokens that visit their expert. Parts are in order and cover all rows; a product without inputs has no entry.
 */
export type CalibrationStatistics = ReadonlyMap<string, readonly RowStatistics[]>;

export interface GatherOptions extends SessionOptions {
  /** Windows run at once. Default 16. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneTokens: number, totalTokens: number) => void;
}

/**
 * Runs a model over windows of text and gathers the second moments of what each stored product multiplies. Rows of an
 * expert see their inputs times the token's routing weight, which is what their result is multiplied by: a token counts
 * by the square of the weight.
 *
 * @param graph - An inference graph; its outputs are replaced by the products' inputs.
 * @param experts - What `expandExperts` made of its mixtures.
 * @param windows - Token ids; only windows of equal length are run together, and none is padded.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a window of fewer than 2 tokens or activations that are not finite,
 *   `RUNTIME_FAILED`, `ABORTED`.
 */
export async function gatherStatistics(
  graph: Graph,
  experts: readonly ExpandedExperts[],
  config: ModelConfig,
  windows: readonly Uint32Array[],
  options: GatherOptions = {},
): Promise<CalibrationStatistics> {
  const { batchSize = 16, signal, onProgress, ...sessionOptions } = options;
  const collectors = createCollectors(graph, experts);
  const outputs = exposeValues(graph, [...new Set(collectors.flatMap(({ values }) => values))]);
  const session = await createSession(encodeOnnx(graph), sessionOptions);
  try {
    const total = windows.reduce((sum, window) => sum + window.length, 0);
    let done = 0;
    for (const batch of batchByLength(windows, batchSize)) {
      throwIfAborted(signal);
      const results = await session.run(padRows(batch, config).feeds);
      const contentOf = (value: Value): Float32Array => {
        const content = results[outputs.get(value) as string] as Tensor;
        return content.data as Float32Array;
      };
      for (const { collect } of collectors) collect(contentOf);
      done += batch.reduce((sum, window) => sum + window.length, 0);
      onProgress?.(done, total);
    }
    // The event loop has not run while statistics were gathered.
    throwIfAborted(signal);
  } finally {
    await session.release();
  }
  return new Map(collectors.map(({ name, finish }) => [name, finish()]));
}

/** Gathers the statistics of one product. */
interface Collector {
  readonly name: string;
  /** Values that it reads. */
  readonly values: readonly Value[];
  collect(contentOf: (value: Value) => Float32Array): void;
  finish(): readonly RowStatistics[];
}

function createCollectors(graph: Graph, experts: readonly ExpandedExperts[]): readonly Collector[] {
  const mixtures = new Map(experts.map((mixture) => [mixture.gates.constant, mixture]));
  const stored = new Map(graph.initializers.map((value) => [value.constant?.data, value.constant]));
  // Products of one input, such as a router and its experts, share what is gathered.
  const shared = new Map<string, ReturnType<typeof collectPlainly>>();
  return listStoredProducts(graph).flatMap(({ name, rows, columns, inputs, weights }): Collector[] => {
    if (inputs.length === 0) return [];
    const mixture = mixtures.get(stored.get(weights));
    if (mixture) return [collectByExpert(name, columns, inputs[0] as Value, mixture)];
    const key = inputs.map((value) => value.name).join('\n');
    const first = shared.get(key);
    const gathered = first ?? collectPlainly(columns, inputs);
    shared.set(key, gathered);
    const finish = (): readonly RowStatistics[] => [{ from: 0, to: rows, statistics: gathered.statistics() }];
    return [{ name, values: inputs, collect: first ? () => undefined : gathered.collect, finish }];
  });
}

function collectPlainly(columns: number, inputs: readonly Value[]) {
  const collector = collectInputStatistics(columns);
  return {
    statistics: () => collector.statistics(),
    collect(contentOf: (value: Value) => Float32Array): void {
      for (const input of inputs) collector.add(contentOf(input));
    },
  };
}

function collectByExpert(
  name: string,
  columns: number,
  input: Value,
  { mixing, experts, hiddenSize }: ExpandedExperts,
): Collector {
  const collectors = Array.from({ length: experts }, () => collectInputStatistics(columns));
  return {
    name,
    values: [input, mixing],
    collect(contentOf) {
      const x = contentOf(input);
      const weights = contentOf(mixing);
      collectors.forEach((collector, expert) => {
        collector.add(routedRows(x, weights, columns, expert, experts));
      });
    },
    finish() {
      const statistics = collectors.map((collector) => collector.statistics());
      // All gate rows, then all up rows.
      return Array.from({ length: 2 * experts }, (_, part) => ({
        from: part * hiddenSize,
        to: (part + 1) * hiddenSize,
        statistics: statistics[part % experts] as InputStatistics,
      }));
    },
  };
}

/** The rows of x that visit an expert, each times its routing weight. */
function routedRows(
  x: Float32Array,
  mixing: Float32Array,
  columns: number,
  expert: number,
  experts: number,
): Float32Array {
  const routed = new Float32Array(x.length);
  let length = 0;
  for (let row = 0; row * columns < x.length; row++) {
    const weight = mixing[row * experts + expert] as number;
    if (weight === 0) continue;
    for (let column = 0; column < columns; column++) routed[length++] = weight * (x[row * columns + column] as number);
  }
  return routed.subarray(0, length);
}

/** Makes values the outputs of a graph, and gives their names there. */
function exposeValues(graph: Graph, values: readonly Value[]): ReadonlyMap<Value, string> {
  graph.outputs.length = 0;
  const names = new Map(values.map((value, index) => [value, `calibration.${index}`]));
  for (const [value, name] of names) graph.output(name, value);
  pruneGraph(graph);
  return names;
}

/** Windows of one length side by side, in an order that depends on nothing but the windows. */
function batchByLength(windows: readonly Uint32Array[], batchSize: number): readonly (readonly Uint32Array[])[] {
  const byLength = new Map<number, Uint32Array[]>();
  for (const window of windows) byLength.set(window.length, [...(byLength.get(window.length) ?? []), window]);
  return [...byLength.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / batchSize) }, (_, index) =>
      group.slice(index * batchSize, (index + 1) * batchSize),
    ),
  );
}
