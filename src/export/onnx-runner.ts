import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import type { Session } from '../runtime/session.ts';
import { zeroStates } from '../runtime/state.ts';
import type { LogitRunner } from './verification.ts';

/** An exported ONNX file in ONNX Runtime. */
export function createOnnxRunner(session: Session, config: ModelConfig): LogitRunner {
  const states: { readonly tensors: Readonly<Record<string, Tensor>>; readonly length: number }[] = [];
  return {
    async step(rows, state) {
      const batch = rows.length;
      const before = states[state ?? -1] ?? { tensors: Object.fromEntries(zeroStates(config, batch)), length: 0 };
      const length = before.length + (rows[0]?.length ?? 0);
      const ids = BigInt64Array.from(rows.flat(), BigInt);
      const results = await session.run({
        ...before.tensors,
        input_ids: tensor('int64', [batch, ids.length / batch], ids),
        attention_mask: tensor('int64', [batch, length], new BigInt64Array(batch * length).fill(1n)),
        num_logits_to_keep: tensor('int64', [], BigInt64Array.of(0n)),
      });
      const after = stateShapes(config).map(({ past, present }) => [past, results[present] as Tensor] as const);
      states.push({ tensors: Object.fromEntries(after), length });
      return { logits: Float64Array.from((results['logits'] as Tensor<'float32'>).data), state: states.length - 1 };
    },
  };
}
