import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { zeroStates } from './state.ts';

/** Texts of different lengths as one batch for an inference graph. */
export interface PaddedRows {
  readonly batch: number;
  /** Tokens of the longest row, without its last one, which is only a target. */
  readonly length: number;
  /** All inputs of the graph, from an empty state, keeping all logits. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** The token that follows each position, `int64[batch * length]`; 0 where a row has ended. */
  readonly targets: BigInt64Array;
}

/**
 * Lays rows of tokens side by side. Shorter rows are padded at their end, where padding cannot reach what comes before.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if no row has 2 tokens, the least in which one follows another.
 */
export function padRows(rows: readonly Uint32Array[], config: ModelConfig): PaddedRows {
  const batch = rows.length;
  const length = Math.max(...rows.map((row) => row.length)) - 1;
  if (!(length >= 1)) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected rows of at least 2 tokens, got shorter ones.', { batch });
  }
  const inputIds = new BigInt64Array(batch * length);
  const targets = new BigInt64Array(batch * length);
  for (const [index, row] of rows.entries()) {
    for (let at = 0; at + 1 < row.length; at++) {
      inputIds[index * length + at] = BigInt(row[at] as number);
      targets[index * length + at] = BigInt(row[at + 1] as number);
    }
  }
  const feeds = {
    input_ids: tensor('int64', [batch, length], inputIds),
    attention_mask: tensor('int64', [batch, length], new BigInt64Array(batch * length).fill(1n)),
    num_logits_to_keep: tensor('int64', [], new BigInt64Array(1)),
    ...(Object.fromEntries(zeroStates(config, batch)) as Record<string, Tensor>),
  };
  return { batch, length, feeds, targets };
}
