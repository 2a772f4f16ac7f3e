// First, or it would come too late.
import './telemetry-off.ts';
import * as ort from '#onnxruntime';
import type { DType, TypedArrayOf } from '../core/dtype.ts';
import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';

/** How ONNX Runtime runs a model. */
export interface SessionOptions {
  /** Threads inside an operator; default 1, which is fastest for graphs this small (see docs/experiments.md). */
  readonly threads?: number;
  /** Write ONNX Runtime's per-operator profile to a file that starts with this path. */
  readonly profilePrefix?: string;
}

/** A graph loaded into ONNX Runtime. Run calls may not overlap when outputs are preallocated. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the graph.
   *
   * @param feeds - Tensors for every input, used in place without a copy.
   * @param fetches - Preallocated outputs to write into, by name; given, only these are computed.
   * @throws {@link IteraError} `RUNTIME_FAILED` with ONNX Runtime's message.
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches?: Readonly<Record<string, Tensor>>,
  ): Promise<Record<string, Tensor>>;
  /** Frees the native session; running it afterwards fails. */
  release(): Promise<void>;
}

/** Version of the ONNX Runtime in use. */
export const runtimeVersion = (): string => ort.env.versions.node ?? ort.env.versions.web ?? ort.env.versions.common;

/**
 * Loads an ONNX model.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED` if ONNX Runtime refuses it.
 */
export async function createSession(model: Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const { threads = 1, profilePrefix } = options;
  const session = await guard('load the model', () =>
    ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Fatal only: errors are thrown with their message, and would be printed a second time.
      logSeverityLevel: 4,
      ...(profilePrefix && { enableProfiling: true, profileFilePrefix: profilePrefix }),
    }),
  );
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds, fetches) {
      const results = await guard('run the model', async () => {
        const given = mapValues(feeds, toOrt);
        if (!fetches) return session.run(given);
        // ONNX Runtime ignores names that it does not know, and the memory would keep what it held before.
        const unknown = Object.keys(fetches).find((name) => !session.outputNames.includes(name));
        if (unknown !== undefined)
          throw new Error(`it has no output "${unknown}", only ${session.outputNames.join(', ')}`);
        return session.run(given, mapValues(fetches, toOrt));
      });
      return mapValues(results, fromOrt);
    },
    async release() {
      if (profilePrefix) session.endProfiling();
      await session.release();
    },
  };
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function toOrt({ dtype, shape, data }: Tensor): ort.Tensor {
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape as number[]);
}

function fromOrt({ type, dims, data }: ort.Tensor): Tensor {
  return tensor(type as DType, dims, data as TypedArrayOf[DType]);
}

async function guard<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError('RUNTIME_FAILED', `ONNX Runtime could not ${what}: ${reason}`, {}, { cause });
  }
}
