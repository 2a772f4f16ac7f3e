import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DType } from '../../../src/core/dtype.ts';
import { IteraError } from '../../../src/core/errors.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { tensor } from '../../../src/core/tensor.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/safetensors.ts';

const everyType = new Map<string, Tensor>([
  ['u', tensor('uint8', [3], Uint8Array.of(0, 128, 255))],
  ['i', tensor('int8', [3], Int8Array.of(-128, 0, 127))],
  ['flags', tensor('bool', [2], Uint8Array.of(1, 0))],
  ['half', tensor('float16', [1], Uint16Array.of(0x3c00))],
  ['n', tensor('int32', [2, 1], Int32Array.of(-1, 2 ** 31 - 1))],
  ['long', tensor('int64', [1], BigInt64Array.of(-(2n ** 63n)))],
  ['f', tensor('float32', [2, 2], Float32Array.of(1, -0, Number.NaN, Number.NEGATIVE_INFINITY))],
  ['double', tensor('float64', [], Float64Array.of(Math.PI))],
  ['empty', tensor('float32', [0, 5], new Float32Array(0))],
  ['7', tensor('uint8', [1], Uint8Array.of(7))],
  ['"quoted"\\ é\n', tensor('uint8', [1], Uint8Array.of(8))],
]);

/** A file with a given header text and data. */
function file(header: string | Uint8Array, data: number | Uint8Array = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

function entry(dtype: unknown, shape: unknown, offsets: unknown): string {
  return JSON.stringify({ dtype, shape, data_offsets: offsets });
}

describe('encodeSafetensors and decodeSafetensors', () => {
  it('round-trip every type, any name and metadata', () => {
    const { tensors, metadata } = decodeSafetensors(encodeSafetensors(everyType, { format: 'pt', a: 'ü' }));
    expect(metadata).toEqual({ format: 'pt', a: 'ü' });
    expect(new Map([...tensors].sort())).toEqual(new Map([...everyType].sort()));
  });

  it('writes the same bytes whatever the order, with aligned data', () => {
    const bytes = encodeSafetensors(everyType, { b: '1', a: '2' });
    expect(encodeSafetensors(new Map([...everyType].reverse()), { a: '2', b: '1' })).toEqual(bytes);
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
    expect(Object.keys(header.__metadata__)).toEqual(['a', 'b']);
    expect(header.double.data_offsets).toEqual([0, 8]);
    expect(header.long.data_offsets).toEqual([8, 16]);
    expect(header.n.data_offsets[0] % 4).toBe(0);
  });

  it('writes exactly the documented layout', () => {
    const bytes = encodeSafetensors(new Map([['a', tensor('uint8', [2], Uint8Array.of(5, 6))]]));
    const header = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
    expect(bytes).toEqual(file(header.padEnd(56), Uint8Array.of(5, 6)));
  });

  it('reads bytes at an odd address, also in a Node Buffer', () => {
    const bytes = encodeSafetensors(everyType);
    const shifted = Buffer.alloc(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeSafetensors(shifted.subarray(1)).tensors).toEqual(decodeSafetensors(bytes).tensors);
  });

  it('reads a view of part of a larger array', () => {
    const part = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const { tensors } = decodeSafetensors(encodeSafetensors(new Map([['x', tensor('float32', [2], part)]])));
    expect(tensors.get('x')?.data).toEqual(Float32Array.of(1, 2));
  });

  it('widens bfloat16 exactly', () => {
    const bits = Uint8Array.of(0x80, 0x3f, 0x49, 0x40, 0x80, 0xff, 0x01, 0x00);
    const { tensors } = decodeSafetensors(file(`{"b":${entry('BF16', [4], [0, 8])}}`, bits));
    expect(tensors.get('b')).toEqual(
      tensor('float32', [4], Float32Array.of(1, 3.140625, Number.NEGATIVE_INFINITY, 2 ** -133)),
    );
  });

  it('refuses to write a reserved name or data of another length', () => {
    const one = tensor('uint8', [1], Uint8Array.of(1));
    expect(() => encodeSafetensors(new Map([['__metadata__', one]]))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => encodeSafetensors(new Map([['x', { ...one, shape: [2] }]]))).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    );
  });
});

const huge = 2 ** 40;

describe('decodeSafetensors refuses', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /at least 8 bytes, got 0/],
    ['half a length', new Uint8Array(7), /at least 8 bytes, got 7/],
    ['a header longer than the file', file('{}', 0, 3n), /claims 3 bytes; at most 2/],
    ['a header of 2^64 - 1 bytes', file('{}', 0, 2n ** 64n - 1n), /claims 18446744073709551615 bytes/],
    ['an empty header', file(''), /not valid UTF-8 JSON/],
    ['no JSON', file('{"a":'), /not valid UTF-8 JSON/],
    ['bad UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), /not valid UTF-8 JSON/],
    ['a byte order mark', file('\uFEFF{}'), /not valid UTF-8 JSON/],
    ['leading space', file(' {}'), /object that starts the file/],
    ['a list', file('[]'), /JSON object/],
    ['null', file('null'), /JSON object/],
    ['deep nesting', file(`{"a":${'['.repeat(200_000)}`), /not valid UTF-8 JSON/],
    ['a repeated name', file(`{"a":${entry('U8', [0], [0, 0])},"\\u0061":${entry('U8', [0], [0, 0])}}`), /'a' twice/],
    ['a repeated field', file('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'), /'dtype' twice/],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), /__metadata__/],
    ['metadata of a list', file('{"__metadata__":[]}'), /__metadata__/],
    ['no entry', file('{"a":null}'), /tensor 'a': expected a dtype/],
    ['an unknown type', file(`{"a":${entry('F8_E5M2', [1], [0, 1])}}`, 1), /tensor 'a'.*BF16, got "F8_E5M2"/],
    ['an inherited type', file(`{"a":${entry('constructor', [1], [0, 1])}}`, 1), /got "constructor"/],
    ['a negative dimension', file(`{"a":${entry('U8', [-1, -1], [0, 1])}}`, 1), /shape of whole numbers.*\[-1,-1\]/],
    ['a fraction of a dimension', file(`{"a":${entry('U8', [0.5, 2], [0, 1])}}`, 1), /\[0.5,2\]/],
    ['a text dimension', file(`{"a":${entry('U8', ['1'], [0, 1])}}`, 1), /tensor 'a': expected a shape/],
    ['no shape', file('{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1), /expected a shape.*got nothing/],
    ['an overflowing shape', file(`{"a":${entry('F32', [huge, huge, huge], [0, 4])}}`, 4), /larger than any file/],
    ['an overflow hidden by 0', file(`{"a":${entry('F32', [huge, huge, 0], [0, 0])}}`), /larger than any file/],
    ['a huge claim', file(`{"a":${entry('F32', [huge], [0, 4 * huge])}}`, 4), /'a' ends at byte 4398046511104/],
    ['one offset', file(`{"a":${entry('U8', [1], [0])}}`, 1), /data_offsets \[begin, end\]/],
    ['negative offsets', file(`{"a":${entry('U8', [1], [-1, 0])}}`, 1), /data_offsets/],
    ['unsafe offsets', file(`{"a":${entry('U8', [1], [2 ** 53, 2 ** 53 + 2])}}`, 1), /data_offsets/],
    ['offsets in reverse', file(`{"a":${entry('U8', [1], [1, 0])}}`, 1), /offsets \[1, 0\] hold -1/],
    [
      'offsets of another size',
      file(`{"a":${entry('F32', [2], [0, 4])}}`, 4),
      /'a': shape \[2\] of F32 needs 8.*hold 4/,
    ],
    [
      'a hole before',
      file(`{"a":${entry('U8', [1], [1, 2])}}`, 2),
      /'a' begins at byte 1.*expected 0: there is a hole/,
    ],
    [
      'overlap',
      file(`{"a":${entry('U8', [2], [0, 2])},"b":${entry('U8', [2], [1, 3])}}`, 3),
      /'b' begins at byte 1.*expected 2: tensors overlap/,
    ],
    [
      'one range used twice',
      file(`{"a":${entry('U8', [2], [0, 2])},"b":${entry('U8', [2], [0, 2])}}`, 2),
      /tensors overlap/,
    ],
    ['bytes left over', file(`{"a":${entry('U8', [1], [0, 1])}}`, 2), /cover 1 bytes of the data, which has 2/],
    ['data without tensors', file('{}', 1), /cover 0 bytes of the data, which has 1/],
  ])('%s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(
      expect.objectContaining({ code: 'WEIGHTS_INVALID', message: expect.stringMatching(message) }),
    );
  });

  it('a header above the given limit', () => {
    const bytes = encodeSafetensors(everyType);
    expect(() => decodeSafetensors(bytes, { maxHeaderBytes: 64 })).toThrow(/at most 64/);
  });
});

describe('decodeSafetensors under mutation', () => {
  const dtypes: DType[] = ['float32', 'float16', 'uint8'];
  const source = new Map<string, Tensor>(
    dtypes.flatMap((dtype, index) => [
      [`layers.${index}.weight`, { dtype, shape: [2, index + 3], data: fill(dtype, 2 * (index + 3)) }] as const,
      [`layers.${index}.bias`, { dtype, shape: [10], data: fill(dtype, 10) }] as const,
    ]),
  );
  const original = encodeSafetensors(source, { format: 'pt' });
  const headerEnd = 8 + Number(new DataView(original.buffer).getBigUint64(0, true));
  const shapes = (bytes: Uint8Array) => [...decodeSafetensors(bytes).tensors.values()].map(({ shape }) => shape);
  const expected = shapes(original);

  function fill(dtype: DType, length: number): Tensor['data'] {
    return dtype === 'float32'
      ? new Float32Array(length)
      : dtype === 'uint8'
        ? new Uint8Array(length)
        : new Uint16Array(length);
  }

  it('refuses every truncation', () => {
    for (let length = 0; length < original.length; length++) {
      const cut = original.slice(0, length);
      expect(() => decodeSafetensors(cut), `${length} bytes`).toThrow(IteraError);
    }
  });

  it('finds the same shapes or refuses after any change of a byte of the header', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(headerEnd - 1), fc.integer({ min: 1, max: 255 }), (position, flip) => {
        const changed = original.slice();
        changed[position] = (changed[position] ?? 0) ^ flip;
        try {
          expect(shapes(changed)).toEqual(expected);
        } catch (error) {
          expect((error as IteraError).code).toBe('WEIGHTS_INVALID');
          refused++;
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('survives any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.string({ maxLength: 40 }), (data, header) => {
        for (const bytes of [data, file(header, data)]) {
          try {
            expect(decodeSafetensors(bytes).tensors.size).toBe(0);
          } catch (error) {
            expect((error as IteraError).code).toBe('WEIGHTS_INVALID');
          }
        }
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});
