import { throwIfAborted } from '../core/errors.ts';
import { checkSameVocabulary, type Engine, type ModelState, type TokenText } from './engine.ts';
import { checkCount } from './option-check.ts';
import { createSampler, type SamplingOptions, type TokenLogProb } from './sampling.ts';
import { createStopMatcher } from './stop-strings.ts';

/** How to continue a text. */
export interface GenerateOptions extends SamplingOptions {
  /** At most so many tokens are drawn, end-of-text included. Default 128. */
  readonly maxNewTokens?: number | undefined;
  /** Ends the text before the first of these strings. Only new text is searched, not the prompt. */
  readonly stop?: string | readonly string[] | undefined;
  /** Aborts within one run of the model. */
  readonly signal?: AbortSignal | undefined;
}

/** Why a text ended: enough tokens, a stop string, or the model's end-of-text token. */
export type FinishReason = 'length' | 'stop' | 'endOfText';

/** How a generation ended. */
export interface GenerationResult {
  readonly finishReason: FinishReason;
  /** The stop string that was met, if one was. */
  readonly stop?: string;
  /** Tokens of the prompt, with the end-of-text token before it. */
  readonly promptTokens: number;
  /** Tokens drawn, with a final end-of-text token if there was one. */
  readonly newTokens: number;
  /** With this seed, the same options and prompt give the same text. */
  readonly seed: number;
}

/** What one drawn token adds to the text. */
export interface GenerationPiece {
  /**
   * Text in whole characters; all pieces together are the new text. Empty while a character is incomplete or the text
   * may be the beginning of a stop string.
   */
  readonly text: string;
  readonly tokenId: number;
  /** ln of the token's probability under the model itself, whatever the sampling options. */
  readonly logProb: number;
  /** The most likely tokens in its place, if the sampling options ask for them. */
  readonly alternatives?: readonly TokenLogProb[];
  /** 0 for the first new token. */
  readonly index: number;
  /** On the last piece only; the generator also returns it. */
  readonly finish?: GenerationResult;
}

/**
 * Continues a text, one piece per token. As in training, the end-of-text token stands before the prompt, so an empty
 * prompt begins a new text. The model runs only while a piece is awaited: leaving the loop leaves nothing running. A
 * character that `maxNewTokens` cuts in two is left out. The repetition penalty counts prompt and new tokens, but not
 * the end-of-text token before them, or texts would not end.
 *
 * @throws {@link IteraError} (when the first piece is asked for) `INVALID_ARGUMENT` if an option is out of range,
 *   `TOKENIZER_MISMATCH` if the tokenizer is not the model's; (at any piece) `ABORTED`, `RUNTIME_FAILED`.
 */
export async function* generate(
  engine: Engine,
  text: TokenText,
  prompt: string,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationPiece, GenerationResult, undefined> {
  const { signal, stop = [] } = options;
  const maxNewTokens = checkCount('maxNewTokens', options.maxNewTokens ?? 128);
  const sample = createSampler(options);
  const stops = createStopMatcher(typeof stop === 'string' ? [stop] : stop);
  checkSameVocabulary(engine, text);
  throwIfAborted(signal);

  const history = Array.from(text.encode(prompt));
  const promptTokens = history.length + 1;
  const decoder = text.streamDecoder();
  let tokens = [text.eosId, ...history];
  let state: ModelState | undefined;
  for (let index = 0; ; index++) {
    throwIfAborted(signal);
    const step = await engine.run(tokens, state);
    throwIfAborted(signal);
    const { id, ...drawn } = sample(step.logits, history);
    const isEnd = id === text.eosId;
    const found = stops.push(isEnd ? decoder.end() : decoder.push(id));
    const finishReason = finishReasonOf(found.stop, isEnd, index + 1 === maxNewTokens);
    if (finishReason) {
      const finish: GenerationResult = {
        finishReason,
        ...(found.stop !== undefined && { stop: found.stop }),
        promptTokens,
        newTokens: index + 1,
        seed: sample.seed,
      };
      yield { text: found.text + stops.end(), tokenId: id, ...drawn, index, finish };
      return finish;
    }
    yield { text: found.text, tokenId: id, ...drawn, index };
    history.push(id);
    tokens = [id];
    state = step.state;
  }
}

function finishReasonOf(stop: string | undefined, isEnd: boolean, isFull: boolean): FinishReason | undefined {
  if (stop !== undefined) return 'stop';
  if (isEnd) return 'endOfText';
  return isFull ? 'length' : undefined;
}
