/**
 * How text is cut before merging: digits (any Unicode number) stand alone, then GPT-2's rule. The `tokenizer.json` form
 * spells both steps as `Split` patterns instead of `Digits` and `ByteLevel`'s own rule, because the JavaScript library
 * reads `Digits` as ASCII only and `\s` in its built-in rule differently from the Rust one; with `Split` both agree.
 */
export const preTokenizerJson = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: '\\p{N}' }, behavior: 'Isolated', invert: false },
    {
      type: 'Split',
      pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" },
      behavior: 'Isolated',
      invert: false,
    },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
} as const;

/**
 * The same cut in one pass. White space before a digit stays whole, as the first step has already cut there; `\s` is
 * spelled out because Unicode's White_Space is not JavaScript's `\s` (U+0085, U+FEFF).
 */
const piecePattern =
  /'(?:[stmd]|re|ve|ll)| ?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?![^\p{White_Space}\p{N}])|\p{White_Space}+/gu;

/** Calls `visit` with each piece of a text, in order; the pieces joined are the text. */
export function forEachPiece(text: string, visit: (piece: string) => void): void {
  piecePattern.lastIndex = 0;
  let start = 0;
  // Every character belongs to some alternative, so a match begins where the last one ended; `test` allocates nothing.
  while (start < text.length && piecePattern.test(text)) {
    // Kept apart from lastIndex, which the visitor could move by cutting another text.
    const end = piecePattern.lastIndex;
    visit(text.slice(start, end));
    start = end;
    piecePattern.lastIndex = end;
  }
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The UTF-8 bytes of a piece and a copy that does not keep the text it was cut from in memory. */
export function detachPiece(piece: string): { bytes: Uint8Array; copy: string } {
  const bytes = utf8Encoder.encode(piece);
  return { bytes, copy: utf8Decoder.decode(bytes) };
}
