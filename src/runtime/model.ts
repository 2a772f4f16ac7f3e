import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { type GenerateOptions, type GenerationPiece, type GenerationResult, generate } from './generation.ts';
import { checkCount } from './option-check.ts';
import { createSession, type SessionOptions } from './session.ts';
import { createSessionEngine } from './session-engine.ts';
import { createSuggester, type Suggestion, type SuggestOptions } from './suggestion.ts';

/** The parts of a model, wherever they were read from. */
export interface ModelParts {
  readonly config: ModelConfig;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Parsed `tokenizer.json` and `tokenizer_config.json`. */
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig?: unknown;
  /** ONNX file of a variant of these weights, to be run in their place; it has the inputs and outputs of theirs. */
  readonly variant?: Uint8Array;
}

/** Log-probabilities of a text. */
export interface TextScore {
  readonly tokenIds: Uint32Array;
  /** ln of each token's probability given all before it. */
  readonly logProbs: Float32Array;
  /** Their sum. */
  readonly totalLogProb: number;
}

/** A language model ready for use. */
export interface Model {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /**
   * Continues a text, piece by piece; a piece never holds half a character. Leaving the loop stops the work.
   *
   * @throws {@link IteraError} `INVALID_ARGUMENT`, `TEXT_INVALID_UTF8`, `ABORTED`, `RUNTIME_FAILED`.
   */
  generate(prompt: string, options?: GenerateOptions): AsyncGenerator<GenerationPiece, GenerationResult, undefined>;
  /**
   * How likely a text is, token by token, after the end-of-text mark. Each token is given all before it, however long
   * the text is: it is run in parts, so that the logits of a long text are never held all at once.
   *
   * @throws {@link IteraError} `TEXT_EMPTY`, `TEXT_INVALID_UTF8`, `ABORTED`, `RUNTIME_FAILED`.
   */
  score(text: string, options?: { readonly signal?: AbortSignal }): Promise<TextScore>;
  /** Suggests how a text that is being typed goes on, in whole words; see {@link Suggestion}. */
  suggest(prefix: string, options?: SuggestOptions): Promise<Suggestion[]>;
  /** Frees native memory; using the model afterwards throws `RUNTIME_FAILED`, releasing it again does nothing. */
  release(): Promise<void>;
}

/**
 * Makes a model from its parts.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if `threads` is no count, `TOKENIZER_INVALID`, `TOKENIZER_MISMATCH` if
 *   tokenizer and model have different numbers of tokens, `WEIGHTS_MISMATCH`, `RUNTIME_FAILED`.
 */
export async function createModel(parts: ModelParts, options: SessionOptions = {}): Promise<Model> {
  const { config, weights, variant } = parts;
  if (options.threads !== undefined) checkCount('threads', options.threads);
  const tokenizer = createModelTokenizer(parts);
  const session = await createSession(variant ?? encodeOnnx(buildInferenceGraph(config, weights)), options);
  const engine = createSessionEngine(session, config);
  const suggester = createSuggester(engine, tokenizer);
  let released: Promise<void> | undefined;

  return {
    config,
    tokenizer,
    generate: (prompt, generateOptions) => generate(engine, tokenizer, prompt, generateOptions),
    async score(text, { signal } = {}) {
      throwIfAborted(signal);
      const tokenIds = tokenizer.encode(text);
      if (tokenIds.length === 0) throw new IteraError('TEXT_EMPTY', 'Expected a text to score, got an empty one.');
      const tokens = new Uint32Array(tokenIds.length + 1);
      tokens[0] = tokenizer.eosId;
      tokens.set(tokenIds, 1);
      const logProbs = await engine.scoreTokens(tokens, signal);
      return { tokenIds, logProbs, totalLogProb: logProbs.reduce((sum, value) => sum + value, 0) };
    },
    suggest: (prefix, suggestOptions) => suggester.suggest(prefix, suggestOptions),
    release() {
      released ??= session.release();
      return released;
    },
  };
}

/**
 * The tokenizer of a model's parts, made sure to belong to it.
 *
 * @throws {@link IteraError} `TOKENIZER_INVALID`, `TOKENIZER_MISMATCH`, as {@link createModel}.
 */
export function createModelTokenizer({
  config,
  tokenizerJson,
  tokenizerConfig,
}: Pick<ModelParts, 'config' | 'tokenizerJson' | 'tokenizerConfig'>): Tokenizer {
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
  if (tokenizer.vocabSize !== config.vocabSize) {
    throw new IteraError(
      'TOKENIZER_MISMATCH',
      `Expected a tokenizer of ${config.vocabSize} tokens, got one of ${tokenizer.vocabSize}. Take both from one model folder.`,
      { expected: config.vocabSize, got: tokenizer.vocabSize },
    );
  }
  return tokenizer;
}
