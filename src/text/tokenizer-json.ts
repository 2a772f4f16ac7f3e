import { IteraError } from '../core/errors.ts';
import { byteCharacters } from './byte-alphabet.ts';
import { maximumVocabSize } from './fast-encoder.ts';
import { preTokenizerJson } from './pre-tokenizer.ts';

/** The mark between documents: context for the first token of each, never part of a text. */
export const endOfText = '<|endoftext|>';

/** A token that stands outside the byte-pair model. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** What a `tokenizer.json` of a byte-level byte-pair tokenizer says, checked. */
export interface TokenizerDefinition {
  /** Token of each identifier, in the byte alphabet or, for added ones, as text; `[vocabSize]`. */
  readonly tokens: readonly string[];
  /** Pairs of tokens by rank. */
  readonly merges: readonly (readonly [string, string])[];
  readonly addedTokens: readonly AddedToken[];
  /** Whether the file's pre-tokenizer and options are the ones that the fast encoder follows. */
  readonly usesOwnPreTokenizer: boolean;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Writes the content of `tokenizer.json` (Hugging Face `tokenizers` format 1.0).
 *
 * @param tokens - All tokens by identifier: special ones first, then the byte alphabet, then merged ones.
 * @param merges - Pairs of tokens by rank.
 * @param specialTokens - The first tokens, which are special.
 */
export function buildTokenizerJson(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  specialTokens: readonly string[],
): Record<string, unknown> {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => {
      return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    }),
    normalizer: null,
    pre_tokenizer: structuredClone(preTokenizerJson),
    // Everything that a model reads begins with the mark.
    post_processor: specialTokens[0] === undefined ? null : beginWith(specialTokens[0]),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map(([left, right]) => `${left} ${right}`),
    },
  };
}

/** Puts a mark, whose number is 0, before a text. */
function beginWith(mark: string): JsonObject {
  const marked = (sequence: string, type: number): JsonObject[] => [
    { SpecialToken: { id: mark, type_id: type } },
    { Sequence: { id: sequence, type_id: type } },
  ];
  return {
    type: 'TemplateProcessing',
    single: marked('A', 0),
    pair: [...marked('A', 0), ...marked('B', 1)],
    special_tokens: { [mark]: { id: mark, ids: [0], tokens: [mark] } },
  };
}

/** Writes the content of `tokenizer_config.json`: one mark is beginning, end and padding. */
export function buildTokenizerConfig(mark: string): Record<string, unknown> {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    add_bos_token: true,
    bos_token: mark,
    eos_token: mark,
    pad_token: mark,
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
  };
}

/**
 * Checks the parsed content of a `tokenizer.json`.
 *
 * @throws {@link IteraError} `TOKENIZER_INVALID` if it is not a byte-level byte-pair tokenizer without normalizer, if
 * identifiers are not 0..n-1, if one of the 256 bytes has no token, or if a merge names an unknown token.
 */
export function parseTokenizerJson(json: unknown): TokenizerDefinition {
  const file = asObject(json, 'tokenizer.json');
  const model = asObject(file['model'], 'model');
  if (model['type'] !== 'BPE') throw invalid(`expected model.type "BPE", got ${JSON.stringify(model['type'])}`);
  if (file['normalizer'] != null) throw invalid('expected no normalizer, because text must survive byte for byte');
  const preTokenizer = JSON.stringify(file['pre_tokenizer'] ?? null);
  if (!preTokenizer.includes('"type":"ByteLevel"')) throw invalid('expected a ByteLevel pre_tokenizer');
  if (preTokenizer.includes('"add_prefix_space":true')) {
    throw invalid('expected add_prefix_space false, because text must survive byte for byte');
  }
  const vocab = parseVocab(model['vocab']);
  const addedTokens = parseAddedTokens(file['added_tokens'] ?? []);
  const tokens = orderTokens(vocab, addedTokens);
  for (const [byte, character] of byteCharacters.entries()) {
    if (!vocab.has(character)) throw invalid(`the vocabulary has no token for byte ${byte} (${character})`);
  }
  return {
    tokens,
    merges: parseMerges(model['merges'], vocab),
    addedTokens,
    usesOwnPreTokenizer: followsOwnRules(file, model),
  };
}

function followsOwnRules(file: JsonObject, model: JsonObject): boolean {
  // trim_offsets changes reported character offsets only, never identifiers.
  const sameCut = comparable(file['pre_tokenizer']) === comparable(preTokenizerJson);
  const unusual = ['dropout', 'continuing_subword_prefix', 'continuing_subword_suffix', 'end_of_word_suffix'];
  return sameCut && model['ignore_merges'] !== true && unusual.every((key) => !model[key]);
}

function comparable(value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) => {
    if (key === 'trim_offsets') return undefined;
    if (item === null || typeof item !== 'object' || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([first], [second]) => (first < second ? -1 : 1)));
  });
}

function parseVocab(value: unknown): Map<string, number> {
  const vocab = new Map<string, number>();
  for (const [token, id] of Object.entries(asObject(value, 'model.vocab'))) vocab.set(token, asIdentifier(id, token));
  return vocab;
}

function parseAddedTokens(value: unknown): AddedToken[] {
  if (!Array.isArray(value)) throw invalid('expected added_tokens to be a list');
  return value.map((item: unknown) => {
    const token = asObject(item, 'added_tokens[]');
    const content = token['content'];
    if (typeof content !== 'string' || content === '') throw invalid('expected every added token to have a content');
    if (token['lstrip'] === true || token['rstrip'] === true || token['single_word'] === true) {
      throw invalid(
        `added token ${JSON.stringify(content)} uses lstrip, rstrip or single_word, which is not supported`,
      );
    }
    return { id: asIdentifier(token['id'], content), content, special: token['special'] === true };
  });
}

function orderTokens(vocab: ReadonlyMap<string, number>, addedTokens: readonly AddedToken[]): string[] {
  const all = new Map(vocab);
  for (const { id, content } of addedTokens) {
    const other = all.get(content);
    if (other !== undefined && other !== id) {
      throw invalid(`added token ${JSON.stringify(content)} has identifiers ${id} and ${other}`);
    }
    all.set(content, id);
  }
  const tokens = new Array<string | undefined>(all.size).fill(undefined);
  for (const [token, id] of all) {
    if (id >= all.size || tokens[id] !== undefined) {
      throw invalid(`expected identifiers 0..${all.size - 1}, each once; ${JSON.stringify(token)} has ${id}`);
    }
    tokens[id] = token;
  }
  return tokens as string[];
}

function parseMerges(value: unknown, vocab: ReadonlyMap<string, number>): [string, string][] {
  if (!Array.isArray(value)) throw invalid('expected model.merges to be a list');
  return value.map((item: unknown, rank) => {
    const parts: unknown = typeof item === 'string' ? item.split(' ') : item;
    if (!Array.isArray(parts) || parts.length !== 2) throw invalid(`expected merge ${rank} to be a pair of tokens`);
    const [left, right] = parts as [unknown, unknown];
    if (typeof left !== 'string' || typeof right !== 'string')
      throw invalid(`expected merge ${rank} to be two strings`);
    for (const token of [left, right, left + right]) {
      if (!vocab.has(token))
        throw invalid(`merge ${rank} needs ${JSON.stringify(token)}, which is not in the vocabulary`);
    }
    return [left, right];
  });
}

function asObject(value: unknown, what: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(`expected ${what} to be an object`);
  }
  return value as JsonObject;
}

function asIdentifier(value: unknown, token: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= maximumVocabSize) {
    throw invalid(
      `expected ${JSON.stringify(token)} to have a whole identifier below ${maximumVocabSize}, got ${value}`,
    );
  }
  return value;
}

/** A `TOKENIZER_INVALID` error with advice. */
export function invalid(problem: string, options?: ErrorOptions): IteraError {
  return new IteraError(
    'TOKENIZER_INVALID',
    `Unusable tokenizer.json: ${problem}. Use a byte-level BPE tokenizer in Hugging Face's format.`,
    { problem },
    options,
  );
}
