import { allocate, type DType, dtypeBytes, viewBytes } from '../core/dtype.ts';
import { IteraError } from '../core/errors.ts';
import { elementCount, type Tensor } from '../core/tensor.ts';
import { findDuplicateKey } from './json-keys.ts';

/** What a safetensors file holds. */
export interface SafetensorsContent {
  /** By name, in the order of the file. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Record<string, string>;
}

const metadataKey = '__metadata__';
const maxReferenceHeaderBytes = 100_000_000;

const fileDtypes: Readonly<Record<DType, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  int64: 'I64',
  int32: 'I32',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

/** How each type of a file is laid out and held in memory. */
const storedTypes: ReadonlyMap<string, { readonly bytes: number; readonly dtype: DType }> = new Map([
  ...Object.entries(fileDtypes).map(
    ([dtype, stored]) => [stored, { bytes: dtypeBytes[dtype as DType], dtype: dtype as DType }] as const,
  ),
  ['BF16', { bytes: 2, dtype: 'float32' }] as const,
]);

function invalid(message: string, data: Record<string, unknown> = {}, cause?: unknown): IteraError {
  const options = cause === undefined ? undefined : { cause };
  return new IteraError('WEIGHTS_INVALID', `Safetensors: ${message}`, data, options);
}

/**
 * Writes tensors in the safetensors format. The result depends only on the content, not on the order of the map:
 * tensors are sorted by element size, largest first, then by name, which aligns each of them to its element size.
 * The header is padded so that the data starts at a multiple of 8 bytes.
 *
 * @param metadata - Text kept beside the tensors; transformers needs `{ format: 'pt' }`.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a tensor named `__metadata__`; `SHAPE_MISMATCH` if a tensor's data
 *   has another length than its shape says.
 * @see https://github.com/huggingface/safetensors#format
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) {
    header.push([metadataKey, Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)))]);
  }
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (name === metadataKey) {
      throw new IteraError('INVALID_ARGUMENT', `A tensor may not be named '${metadataKey}': the format reserves it.`);
    }
    if (data.length !== elementCount(shape)) {
      throw new IteraError(
        'SHAPE_MISMATCH',
        `Tensor '${name}' has ${data.length} elements; its shape [${shape.join(', ')}] needs ${elementCount(shape)}.`,
        { name, shape, length: data.length },
      );
    }
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype: fileDtypes[dtype], shape, data_offsets: [begin, end] }]);
  }
  // Joined by hand because an object would move names that look like whole numbers to the front.
  const json = `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(start + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(text, 8);
  file.fill(0x20, 8 + text.length, start);
  let offset = start;
  for (const [, { data }] of sorted) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors file, trusting nothing in it: no allocation is larger than a small multiple of the file.
 *
 * Tensors are views of `bytes` where its alignment allows and copies elsewhere; BF16 becomes float32, float16 stays
 * raw bits. Assumes a little-endian machine, as typed arrays are on every platform that Node and browsers run on.
 *
 * @param options - `maxHeaderBytes`: the longest header accepted; 100,000,000 as in the reference.
 * @throws {@link IteraError} `WEIGHTS_INVALID` if the file is cut, its header is not valid UTF-8 JSON of the format
 *   (also: a repeated name), a type is unsupported, a shape does not match its bytes, or the tensors overlap, leave a
 *   hole or do not cover the data exactly.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  options: { readonly maxHeaderBytes?: number } = {},
): SafetensorsContent {
  // A plain view: `slice` of a Node Buffer would share memory where that of a Uint8Array copies.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + readHeaderLength(file, options.maxHeaderBytes ?? maxReferenceHeaderBytes);
  const header = parseHeader(file.subarray(8, start));
  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataKey) {
      metadata = readMetadata(value);
    } else {
      entries.push(readEntry(name, value));
    }
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, file.length - start);
  const tensors = new Map<string, Tensor>();
  for (const { name, stored, shape, begin, end } of entries) {
    tensors.set(name, readTensor(stored, shape, file.subarray(start + begin, start + end)));
  }
  return { tensors, metadata };
}

function readHeaderLength(file: Uint8Array, maxHeaderBytes: number): number {
  if (file.length < 8) {
    throw invalid(`expected at least 8 bytes, got ${file.length}. The file is empty or cut; fetch it again.`, {
      sizeBytes: file.length,
    });
  }
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes) || length > BigInt(file.length - 8)) {
    throw invalid(
      `the header claims ${length} bytes; at most ${Math.min(maxHeaderBytes, file.length - 8)} are possible in this ` +
        'file. It is cut, or not a safetensors file; fetch it again.',
      { headerBytes: length.toString(), sizeBytes: file.length, maxHeaderBytes },
    );
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw invalid('the header is not valid UTF-8 JSON. The file is corrupted; fetch it again.', {}, cause);
  }
  if (!text.startsWith('{') || !isRecord(header)) {
    throw invalid('expected the header to be a JSON object that starts the file. This is not a safetensors file.');
  }
  const repeated = findDuplicateKey(text);
  if (repeated !== undefined) {
    throw invalid(`the header states the key '${repeated}' twice. Do not use this file.`, { name: repeated });
  }
  return header;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw invalid(`expected '${metadataKey}' to map names to texts. The file is malformed; write it again.`);
  }
  return value as Record<string, string>;
}

interface Entry {
  readonly name: string;
  readonly stored: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function readEntry(name: string, value: unknown): Entry {
  const entry = isRecord(value) ? value : {};
  const { dtype: stored, shape, data_offsets: offsets } = entry;
  const type = typeof stored === 'string' ? storedTypes.get(stored) : undefined;
  if (typeof stored !== 'string' || type === undefined) {
    throw invalid(
      `tensor '${name}': expected a dtype of ${[...storedTypes.keys()].join(', ')}, got ${brief(stored)}. ` +
        'Convert the file to one of them.',
      { name, dtype: stored },
    );
  }
  if (!isSizes(shape)) {
    throw invalid(`tensor '${name}': expected a shape of whole numbers from 0, got ${brief(shape)}.`, { name, shape });
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalid(`tensor '${name}': expected data_offsets [begin, end], got ${brief(offsets)}.`, { name, offsets });
  }
  const [begin = 0, end = 0] = offsets;
  let sizeBytes = type.bytes;
  for (const dim of shape) {
    sizeBytes *= dim;
    // Beyond this products are not exact, and a wrapped one could match.
    if (sizeBytes > Number.MAX_SAFE_INTEGER) {
      throw invalid(`tensor '${name}': shape ${brief(shape)} is larger than any file.`, { name, shape });
    }
  }
  if (end - begin !== sizeBytes) {
    throw invalid(
      `tensor '${name}': shape ${brief(shape)} of ${stored} needs ${sizeBytes} bytes, its offsets [${begin}, ${end}] ` +
        `hold ${end - begin}. The file is corrupted; fetch it again.`,
      { name, shape, dtype: stored, begin, end },
    );
  }
  return { name, stored, shape, begin, end };
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Each tensor must begin where the one before it ends, and the last must end with the file. */
function checkCoverage(entries: readonly Entry[], dataBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (end > dataBytes) {
      throw invalid(
        `tensor '${name}' ends at byte ${end} of the data, which has ${dataBytes}. The file is cut: copy or download it again.`,
        { name, end, dataBytes },
      );
    }
    if (begin !== covered) {
      throw invalid(
        `tensor '${name}' begins at byte ${begin} of the data, expected ${covered}: ` +
          `${begin < covered ? 'tensors overlap' : 'there is a hole'}. Do not use this file.`,
        { name, begin, expected: covered },
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw invalid(`the tensors cover ${covered} bytes of the data, which has ${dataBytes}. Do not use this file.`, {
      covered,
      dataBytes,
    });
  }
}

function readTensor(stored: string, shape: readonly number[], bytes: Uint8Array): Tensor {
  const length = elementCount(shape);
  if (stored === 'BF16') {
    // A bfloat16 is the upper half of a float32.
    const data = allocate('float32', length);
    const bits = new Uint32Array(data.buffer);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < length; index++) {
      bits[index] = view.getUint16(2 * index, true) << 16;
    }
    return { dtype: 'float32', shape, data };
  }
  const dtype = storedTypes.get(stored)?.dtype ?? 'float32';
  return { dtype, shape, data: viewBytes(dtype, bytes, length) };
}
