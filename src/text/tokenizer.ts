import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { IteraError } from '../core/errors.ts';
import { byteCharacters, charactersToBytes } from './byte-alphabet.ts';
import { createFastEncoder, type MergeTable, pairKey } from './fast-encoder.ts';
import { type AddedToken, endOfText, invalid, parseTokenizerJson, type TokenizerDefinition } from './tokenizer-json.ts';
import { assertWellFormed } from './utf8.ts';

/** Text to token identifiers and back, byte for byte. */
export interface Tokenizer {
  /** V: identifiers are 0..V-1. */
  readonly vocabSize: number;
  /** The end-of-text mark. */
  readonly eosId: number;
  /** Identifiers that carry no text. */
  readonly specialIds: ReadonlySet<number>;
  /**
   * @param text - Any well-formed text; nothing is added before or after it.
   * @returns Identifiers, `uint32[tokens]`.
   * @throws {@link IteraError} `TEXT_INVALID_UTF8` on a lone surrogate.
   */
  encode(text: string, options?: EncodeOptions): Uint32Array;
  /**
   * Text of the tokens; bytes that are not UTF-8 become U+FFFD.
   *
   * @throws {@link IteraError} `INVALID_ARGUMENT` on an identifier outside 0..V-1.
   */
  decode(ids: Iterable<number>): string;
  /** The bytes a token stands for (not a copy); none for a special token. Throws `INVALID_ARGUMENT` like {@link decode}. */
  tokenBytes(id: number): Uint8Array;
  /** Decodes token by token. */
  streamDecoder(): StreamDecoder;
}

/** How text becomes tokens. */
export interface EncodeOptions {
  /**
   * What a literal special token such as `<|endoftext|>` in the text becomes: ordinary text that decodes to itself
   * (`text`, the default, safe for foreign text), or its identifier (`parse`).
   */
  readonly special?: 'text' | 'parse';
}

/** Turns tokens into text as they come; joined, its strings equal {@link Tokenizer.decode} of all tokens. */
export interface StreamDecoder {
  /** The characters that this token completes, maybe none; never half of one. */
  push(id: number): string;
  /** What is left: U+FFFD if the tokens stopped inside a character. The decoder can then be used again. */
  end(): string;
}

const noBytes = new Uint8Array(0);
const wholeDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Wraps a tokenizer in Hugging Face's format.
 *
 * @param json - Parsed content of `tokenizer.json`: byte-level BPE without normalizer.
 * @param config - Parsed content of `tokenizer_config.json`; its `eos_token` names the end mark, else `<|endoftext|>`.
 * @throws {@link IteraError} `TOKENIZER_INVALID` if the file is malformed or of another kind.
 * @remarks Files whose text is cut as {@link trainBpe} writes it use our encoder, all others the library's.
 */
export function createTokenizer(json: unknown, config?: unknown): Tokenizer {
  const definition = parseTokenizerJson(json);
  const bytesOfTokens = listTokenBytes(definition);
  const specialIds = new Set(definition.addedTokens.filter(({ special }) => special).map(({ id }) => id));
  const encodeText = definition.usesOwnPreTokenizer
    ? createFastEncoder(buildMergeTable(definition))
    : createLibraryEncoder(json as Record<string, unknown>);

  function tokenBytes(id: number): Uint8Array {
    const bytes = bytesOfTokens[id];
    if (bytes === undefined) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected a token identifier from 0 to ${bytesOfTokens.length - 1}, got ${id}.`,
        { id, vocabSize: bytesOfTokens.length },
      );
    }
    return bytes;
  }

  return {
    vocabSize: definition.tokens.length,
    eosId: findEndMark(definition, config),
    specialIds,
    encode(text, { special = 'text' } = {}) {
      assertWellFormed(text);
      return special === 'text' ? encodeText(text) : encodeMarked(text, definition.addedTokens, encodeText);
    },
    decode: (ids) => wholeDecoder.decode(joinBytes(Array.from(ids, tokenBytes))),
    tokenBytes,
    streamDecoder() {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return {
        push: (id) => decoder.decode(tokenBytes(id), { stream: true }),
        end: () => decoder.decode(),
      };
    },
  };
}

function createLibraryEncoder(json: Record<string, unknown>): (text: string) => Uint32Array {
  let library: LibraryTokenizer;
  try {
    // Without added tokens the library treats their literals as the text they are.
    const plain = { normalizer: null, decoder: null, ...json, post_processor: null, added_tokens: [] };
    library = new LibraryTokenizer(plain, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  return (text) => (text === '' ? new Uint32Array(0) : Uint32Array.from(library.encode(text).ids));
}

function buildMergeTable({ tokens, merges }: TokenizerDefinition): MergeTable {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const idOf = (token: string) => ids.get(token) as number;
  return {
    byteIds: Uint32Array.from(byteCharacters, idOf),
    merges: new Map(
      merges.map(([left, right], rank) => [pairKey(idOf(left), idOf(right)), { rank, id: idOf(left + right) }]),
    ),
  };
}

function listTokenBytes({ tokens, addedTokens }: TokenizerDefinition): Uint8Array[] {
  const added = new Map(addedTokens.map((token) => [token.id, token]));
  return tokens.map((token, id) => {
    const outside = added.get(id);
    if (outside !== undefined) return outside.special ? noBytes : new TextEncoder().encode(token);
    const bytes = charactersToBytes(token);
    if (bytes === undefined)
      throw invalid(`token ${id} (${JSON.stringify(token)}) is not written in the byte alphabet`);
    return bytes;
  });
}

function findEndMark({ addedTokens }: TokenizerDefinition, config: unknown): number {
  const named: unknown = (config as { eos_token?: unknown } | null | undefined)?.eos_token ?? endOfText;
  const content = typeof named === 'string' ? named : (named as { content?: unknown }).content;
  const mark = addedTokens.find((token) => token.content === content && token.special);
  if (mark === undefined) throw invalid(`the end-of-text mark ${JSON.stringify(content)} is not a special added token`);
  return mark.id;
}

function encodeMarked(
  text: string,
  addedTokens: readonly AddedToken[],
  encodeText: (text: string) => Uint32Array,
): Uint32Array {
  const ids = new Map(addedTokens.map(({ content, id }) => [content, id]));
  // The longest first, so that a mark that begins another one does not hide it.
  const contents = [...ids.keys()].sort((first, second) => second.length - first.length);
  if (contents.length === 0) return encodeText(text);
  const pattern = new RegExp(
    `(${contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`,
    'u',
  );
  const parts = text.split(pattern).map((part, index) => {
    return index % 2 === 1 ? Uint32Array.of(ids.get(part) as number) : encodeText(part);
  });
  const joined = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
