import { unzipSync, zipSync } from 'fflate';
import { IteraError } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { PickleWriter } from './pickle.ts';

/** Tensors on their way into an archive: each is pickled as a reference to a record of its raw bytes. */
export class TensorRecords {
  /** Raw little-endian bytes by the name of the record, which is that of the tensor. */
  readonly records = new Map<string, Uint8Array>();
  private readonly known = new Map<Tensor, number>();

  /**
   * Pickles a tensor, one that was pickled before as the same object.
   *
   * @param name - Of the tensor, unique among those of the archive.
   * @throws {@link IteraError} `INVALID_ARGUMENT` for another element type than float32.
   */
  pickle(writer: PickleWriter, name: string, tensor: Tensor): void {
    const before = this.known.get(tensor);
    if (before !== undefined) {
      writer.recall(before);
      return;
    }
    const index = this.known.size;
    this.records.set(name, littleEndian(tensor));
    writer.global('torch._utils', '_rebuild_tensor_v2').call(() => {
      writer.persistent(() => {
        writer.string('storage').global('torch', 'FloatStorage').string(name).string('cpu').integer(tensor.data.length);
      });
      writer.integer(0);
      writer.tuple(() => {
        for (const size of tensor.shape) writer.integer(size);
      });
      writer.tuple(() => {
        for (const stride of strides(tensor.shape)) writer.integer(stride);
      });
      // No gradient is asked for; hooks of one: none.
      writer
        .bool(false)
        .global('collections', 'OrderedDict')
        .call(() => undefined);
    });
    writer.memoize(index);
    this.known.set(tensor, index);
  }
}

/** Steps in elements along each axis of a dense array in row-major order. */
function strides(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

function littleEndian({ dtype, data }: Tensor): Uint8Array {
  if (dtype !== 'float32') {
    throw new IteraError('INVALID_ARGUMENT', `Expected float32 weights, got ${dtype}.`, { dtype });
  }
  const bytes = new Uint8Array(4 * data.length);
  const view = new DataView(bytes.buffer);
  (data as Float32Array).forEach((value, index) => {
    view.setFloat32(4 * index, value, true);
  });
  return bytes;
}

/** All entries of an archive lie below one folder, whatever its name. */
const root = 'archive';

/** Equal entries give equal bytes: a fixed date, nothing compressed. */
export function packArchive(entries: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const files = Object.fromEntries([...entries].map(([name, bytes]) => [`${root}/${name}`, bytes]));
  return zipSync(files, { level: 0, mtime: new Date(1980, 0, 1) });
}

/**
 * The entries of an archive, by their names without the folder that all lie in.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` for what is no such archive.
 */
export function unpackArchive(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  try {
    const entries = Object.entries(unzipSync(bytes));
    return new Map(entries.map(([name, content]) => [name.slice(name.indexOf('/') + 1), content]));
  } catch (cause) {
    throw new IteraError('FILE_CORRUPT', 'Expected a PyTorch archive (a zip file), got other bytes.', {}, { cause });
  }
}
