import { IteraError } from '../core/errors.ts';

/**
 * What a model remembers of the tokens it has read; only its engine can look inside. It is immutable: running from one
 * state twice gives the same result twice, so callers may keep states and branch from them. Nothing needs closing.
 */
export type ModelState = object;

/** What one run of a model gives. */
export interface EngineStep {
  /** Scores of every token as the next one, `float32[V]`, at the last position that was run. */
  readonly logits: Float32Array;
  /** The state after the last token that was run. */
  readonly state: ModelState;
}

/** A language model reduced to what sampling and search need, whatever runs it. */
export interface Engine {
  /** V: how many tokens the model knows. */
  readonly vocabSize: number;
  /**
   * Reads tokens and scores what comes next.
   *
   * @param tokens - Token ids, at least one.
   * @param state - Where to go on from; without it the tokens are the beginning.
   * @throws {@link IteraError} `RUNTIME_FAILED` if the model could not be run.
   */
  run(tokens: ArrayLike<number>, state?: ModelState): Promise<EngineStep>;
}

/** A tokenizer reduced to what generation and suggestion need. */
export interface TokenText {
  readonly vocabSize: number;
  /** The end-of-text token, which also stands before every text. */
  readonly eosId: number;
  /** Token ids of a text, without any special token around them. */
  encode(text: string): ArrayLike<number>;
  decode(ids: Iterable<number>): string;
  /** The raw bytes a token stands for; empty for a special token. */
  tokenBytes(id: number): Uint8Array;
  /** Decodes token by token: `push` gives the characters completed so far, `end` what remains undecodable. */
  streamDecoder(): { push(id: number): string; end(): string };
}

/**
 * Refuses a tokenizer that does not belong to the model.
 *
 * @throws {@link IteraError} `TOKENIZER_MISMATCH` if the vocabularies differ in size.
 */
export function checkSameVocabulary(engine: Engine, text: TokenText): void {
  if (engine.vocabSize !== text.vocabSize) {
    throw new IteraError(
      'TOKENIZER_MISMATCH',
      `Expected a tokenizer with the model's ${engine.vocabSize} tokens, got one with ${text.vocabSize}. Load both from the same model folder.`,
      { expected: engine.vocabSize, got: text.vocabSize },
    );
  }
}
