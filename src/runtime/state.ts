import { elementCount, type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';

/** The state before any token, under the names of the inference graph's inputs. */
export function zeroStates(config: ModelConfig, batch: number): Map<string, Tensor<'float32'>> {
  return new Map(
    stateShapes(config).map(({ past, shape }) => {
      const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : dim === 'batch_size' ? batch : 0));
      return [past, tensor('float32', sizes, new Float32Array(elementCount(sizes)))];
    }),
  );
}
