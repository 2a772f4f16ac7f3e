import type { Tensor } from '../core/tensor.ts';
import { PickleWriter } from './pickle.ts';
import { packArchive, TensorRecords } from './torch-archive.ts';

/**
 * Weights as PyTorch keeps a state dictionary: `torch.load(path, weights_only=True)` gives names and tensors.
 *
 * @param weights - float32, by name.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another element type.
 */
export function encodeStateDict(weights: ReadonlyMap<string, Tensor>): Uint8Array {
  const writer = new PickleWriter();
  const tensors = new TensorRecords();
  writer.dict(() => {
    for (const [name, tensor] of weights) {
      writer.string(name);
      tensors.pickle(writer, name, tensor);
    }
  });
  return packArchive(
    new Map([
      ['data.pkl', writer.finish()],
      ...[...tensors.records].map(([key, bytes]): [string, Uint8Array] => [`data/${key}`, bytes]),
      ['version', new TextEncoder().encode('3\n')],
    ]),
  );
}
