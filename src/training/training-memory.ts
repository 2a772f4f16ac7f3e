import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { countElements } from './parameter-buffer.ts';
import type { TeacherRows } from './teacher-rows.ts';

/**
 * Everything that the threads of a training run share: plain arrays, so that it can be handed from thread to thread
 * without a copy. Letters: B rows of a batch, T tokens of a row, M parts that a batch is cut into.
 */
export interface TrainingMemory {
  /** All weights, in the order of `parameterShapes`. */
  readonly weights: Float32Array;
  /** The weights after rounding, which the graphs then read in their place; absent without rounding. */
  readonly rounded?: Float32Array;
  /** The gradients of each part of the batch, M arrays as long as `weights`; the first one holds their mean in the end. */
  readonly gradients: readonly Float32Array[];
  /** AdamW's first moment or Muon's momentum, as long as `weights`. */
  readonly mean: Float32Array;
  /** AdamW's second moment; 0 where Muon is used. */
  readonly variance: Float32Array;
  /** Sum of the squared mean gradients of each weight tensor. */
  readonly squares: Float64Array;
  /** Mean cross-entropy of each part, nats, M. */
  readonly losses: Float64Array;
  /** Load balance of each part, M. */
  readonly balances: Float64Array;
  /** `int64[B, T]`. */
  readonly inputIds: BigInt64Array;
  /** `int64[B, T]`. */
  readonly targets: BigInt64Array;
  /** What a teacher says of the batch; absent without distillation. */
  readonly teacher?: TeacherMemory;
  /** How much each position counts; absent unless the run learns from feedback. */
  readonly positions?: PositionWeights;
}

/** How much each of B x T positions counts, each `float32[B, T]`; see `feedbackLoss`. */
export interface PositionWeights {
  readonly imitate: Float32Array;
  readonly avoid: Float32Array;
  readonly follow: Float32Array;
}

/** A teacher's most probable next tokens after each input, K of them, and what training learns of them. */
export interface TeacherMemory extends TeacherRows {
  /** Mean divergence from the teacher of each part, nats, M. */
  readonly divergences: Float64Array;
}

export interface MemoryOptions {
  /** B x T. */
  readonly tokens: number;
  /** M. */
  readonly parts: number;
  /** Whether other threads will see it; ONNX Runtime cannot work in such memory in place. */
  readonly shared: boolean;
  /** Whether the graphs read rounded weights. */
  readonly rounded?: boolean;
  /** K, if there is a teacher. */
  readonly topK?: number;
  /** Whether positions count differently. */
  readonly weighted?: boolean;
}

/** Memory for a training run, all 0. */
export function allocateMemory(
  config: ModelConfig,
  { tokens, parts, shared, rounded, topK, weighted }: MemoryOptions,
): TrainingMemory {
  const shapes = parameterShapes(config);
  const count = countElements(shapes);
  const take = (bytes: number): ArrayBufferLike => (shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  const floats = (length: number): Float32Array => new Float32Array(take(4 * length));
  const doubles = (length: number): Float64Array => new Float64Array(take(8 * length));
  return {
    weights: floats(count),
    ...(rounded && { rounded: floats(count) }),
    gradients: Array.from({ length: parts }, () => floats(count)),
    mean: floats(count),
    variance: floats(count),
    squares: doubles(shapes.size),
    losses: doubles(parts),
    balances: doubles(parts),
    inputIds: new BigInt64Array(take(8 * tokens)),
    targets: new BigInt64Array(take(8 * tokens)),
    ...(topK && {
      teacher: {
        ids: new BigInt64Array(take(8 * tokens * topK)),
        weights: floats(tokens * topK),
        targetWeights: floats(tokens),
        divergences: doubles(parts),
      },
    }),
    ...(weighted && { positions: { imitate: floats(tokens), avoid: floats(tokens), follow: floats(tokens) } }),
  };
}
