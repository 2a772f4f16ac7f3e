import type { Conditions } from '../core/measurement.ts';

/** One way of running a model, in a process of its own. */
export interface BenchSide {
  /** `model`, `runtime`, `variant`, `threads` and what else tells it from the others. */
  readonly conditions: Conditions;
  /** Milliseconds from the file to a model that can run. */
  readonly loadMs: number;
  /**
   * Passes over texts, one after the other; logits of all positions, as a forward pass in PyTorch gives them.
   *
   * @returns Milliseconds of each.
   */
  forward(tokens: number, count: number): Promise<readonly number[]>;
  /**
   * Reads a prompt, for its last logits only where the runtime can, and continues it greedily.
   *
   * @returns Milliseconds until the first new token is known, and of each token after that, on average.
   */
  generate(promptTokens: number, newTokens: number): Promise<{ readonly firstMs: number; readonly tokenMs: number }>;
  /** Most resident memory of the process so far, in bytes. */
  peakMemory(): Promise<number>;
  close(): Promise<void>;
}
