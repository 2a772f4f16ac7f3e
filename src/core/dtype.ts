/** Element types, under the names of ONNX Runtime's JavaScript API. */
export type DType = 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'uint8' | 'int8' | 'bool';

/** The typed array that holds each element type in memory; float16 as raw bits. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  int8: Int8Array;
  bool: Uint8Array;
}

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int64: 8,
  int32: 4,
  uint8: 1,
  int8: 1,
  bool: 1,
};

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
} as const;

/** A zero-filled typed array of `length` elements. */
export function allocate<D extends DType>(dtype: D, length: number): TypedArrayOf[D] {
  return new arrays[dtype](length) as TypedArrayOf[D];
}

/** A typed view of `length` elements over bytes; copies only when the bytes are not aligned. */
export function viewBytes<D extends DType>(dtype: D, bytes: Uint8Array, length: number): TypedArrayOf[D] {
  const array = arrays[dtype];
  const aligned = bytes.byteOffset % dtypeBytes[dtype] === 0 ? bytes : Uint8Array.from(bytes);
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, length) as TypedArrayOf[D];
}
