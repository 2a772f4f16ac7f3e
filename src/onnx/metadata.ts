import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { IteraError } from '../core/errors.ts';

/**
 * The metadata properties of an ONNX model, whatever operators it is made of.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` if the bytes are no ONNX model.
 */
export function readOnnxMetadata(bytes: Uint8Array): Record<string, string> {
  try {
    const { metadataProps } = fromBinary(ModelProtoSchema, bytes);
    return Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));
  } catch (cause) {
    const message = `Expected an ONNX model, got bytes that do not parse: ${String(cause)}.`;
    throw new IteraError('FILE_CORRUPT', message, {}, { cause });
  }
}
