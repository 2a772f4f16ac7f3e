import { IteraError } from '../core/errors.ts';

/** Turns blocks of UTF-8 bytes into text; a character may be cut between two blocks. */
export interface Utf8Decoder {
  /** Text of the whole characters seen so far and not yet returned. Throws `TEXT_INVALID_UTF8` with the offset in the stream. */
  push(block: Uint8Array): string;
  /** Ends the stream; throws `TEXT_INVALID_UTF8` if it stops inside a character. */
  end(): void;
}

const tailBytes = 3;
/** One for all calls: making a decoder costs more than decoding a short text. */
const fatalDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes a whole UTF-8 text; a byte order mark is kept as U+FEFF.
 *
 * @param bytes - The encoded text.
 * @throws {@link IteraError} `TEXT_INVALID_UTF8` for overlong forms, surrogates, code points past U+10FFFF, stray or
 * missing continuation bytes; `data.offset` is where the ill-formed sequence begins, in bytes.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decodeBlock(bytes, 0);
}

/** A decoder for text that arrives in blocks; offsets in its errors count from the first block. */
export function createUtf8Decoder(): Utf8Decoder {
  let carried: Uint8Array = new Uint8Array(0);
  let consumed = 0;
  return {
    push(block) {
      const bytes = carried.length === 0 ? block : concatenate(carried, block);
      const complete = bytes.length - countUnfinishedBytes(bytes);
      const text = decodeBlock(bytes.subarray(0, complete), consumed);
      // A copy, because the caller may reuse the block's memory.
      carried = bytes.slice(complete);
      consumed += complete;
      return text;
    },
    end() {
      if (carried.length > 0) throw invalidUtf8(consumed + Math.max(0, findInvalidUtf8(carried)));
    },
  };
}

/**
 * Refuses a string that UTF-8 cannot carry.
 *
 * @throws {@link IteraError} `TEXT_INVALID_UTF8` if the text holds a surrogate without its partner; `data.index` is its
 * position in UTF-16 units.
 */
export function assertWellFormed(text: string): void {
  const index = text.search(/\p{Surrogate}/u);
  if (index < 0) return;
  const unit = text.charCodeAt(index).toString(16).toUpperCase();
  throw new IteraError(
    'TEXT_INVALID_UTF8',
    `Expected well-formed Unicode text, got a lone surrogate U+${unit} at index ${index}. ` +
      'Remove it or read the text again from its UTF-8 source.',
    { index },
  );
}

/**
 * Offset of the first ill-formed sequence, or -1 (RFC 3629, section 4: the grammar of UTF-8).
 */
export function findInvalidUtf8(bytes: Uint8Array): number {
  let offset = 0;
  while (offset < bytes.length) {
    const lead = bytes[offset] as number;
    const length = sequenceLength(lead);
    if (length === 0) return offset;
    for (let index = 1; index < length; index++) {
      const byte = bytes[offset + index];
      const [lowest, highest] = index === 1 ? secondByteRange(lead) : [0x80, 0xbf];
      if (byte === undefined || byte < lowest || byte > highest) return offset;
    }
    offset += length;
  }
  return -1;
}

function decodeBlock(bytes: Uint8Array, offsetInStream: number): string {
  try {
    return fatalDecoder.decode(bytes);
  } catch (cause) {
    const offset = findInvalidUtf8(bytes);
    if (offset < 0) throw cause;
    throw invalidUtf8(offsetInStream + offset);
  }
}

function invalidUtf8(offset: number): IteraError {
  return new IteraError(
    'TEXT_INVALID_UTF8',
    `Expected UTF-8, got an invalid or truncated byte sequence at byte ${offset}. Convert the text to UTF-8.`,
    { offset },
  );
}

/** Bytes that a lead byte announces, itself included; 0 for a byte that cannot begin a character. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/** The narrower ranges that exclude overlong forms, surrogates and code points past U+10FFFF. */
function secondByteRange(lead: number): readonly [number, number] {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  if (lead === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}

/** Bytes at the end (0 to 3) that begin a character whose rest is still to come. */
function countUnfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(tailBytes, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) !== 0x80) return sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
