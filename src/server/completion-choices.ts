import type { GenerateOptions } from '../runtime/generation.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Task } from './task.ts';
import { createTokenLister, joinListings, type TokenListing } from './token-listing.ts';

/** A text that is wanted. */
export interface CompletionSpec {
  /** Place among the choices. */
  readonly index: number;
  readonly prompt: string;
  readonly options: Omit<GenerateOptions, 'signal' | 'maxNewTokens'>;
  /** 0 draws nothing, for whoever only wants the prompt's log-probabilities. */
  readonly maxNewTokens: number;
  /** Begin with the prompt. */
  readonly echo: boolean;
  /** Alternatives of each token; absent: no log-probabilities. */
  readonly logprobs?: number;
  /** Parts after the first are not wanted one by one. */
  readonly whole: boolean;
}

export interface CompletionEnd {
  readonly reason: 'stop' | 'length';
  readonly newTokens: number;
  /** All that was drawn, without the prompt. */
  readonly output: string;
}

/** A part of a text, as it comes. */
export interface CompletionPart {
  readonly index: number;
  readonly text: string;
  readonly logprobs?: TokenListing;
  /** On the last part. */
  readonly finish?: CompletionEnd;
}

/** Draws one text, part by part; parts without anything to say are left out. */
export async function* completeText(
  task: Task,
  tokenizer: Tokenizer,
  { index, prompt, options, maxNewTokens, echo, logprobs, whole }: CompletionSpec,
): AsyncGenerator<CompletionPart, void, undefined> {
  const { model, signal } = task;
  if (echo) {
    const listing = logprobs === undefined ? undefined : await listPrompt(task, tokenizer, prompt, logprobs);
    yield { index, text: prompt, ...(listing && { logprobs: listing }) };
  }
  if (maxNewTokens === 0) {
    yield { index, text: '', finish: { reason: 'length', newTokens: 0, output: '' } };
    return;
  }
  const list = createTokenLister(tokenizer, echo ? prompt.length : 0);
  const pieces = model.generate(prompt, {
    ...{ ...options, maxNewTokens, alternatives: logprobs, signal },
    // Each token is listed with its log-probability.
    whole: whole && logprobs === undefined,
  });
  let output = '';
  for await (const { text, tokenId, logProb, alternatives, finish } of pieces) {
    task.sawToken();
    output += text;
    const listing = logprobs === undefined ? undefined : list(tokenId, logProb, alternatives);
    if (text === '' && !listing && !finish) continue;
    yield {
      ...{ index, text },
      ...(listing && { logprobs: listing }),
      ...(finish && {
        finish: {
          ...{ reason: finish.finishReason === 'length' ? 'length' : 'stop', newTokens: finish.newTokens },
          output,
        },
      }),
    };
  }
}

async function listPrompt(
  { model, signal }: Task,
  tokenizer: Tokenizer,
  prompt: string,
  count: number,
): Promise<TokenListing> {
  const { ids, logProbs, alternatives } = await model.score(prompt, { alternatives: count, signal });
  const list = createTokenLister(tokenizer);
  return joinListings(ids.map((id, at) => list(id, logProbs[at] as number, alternatives?.[at])));
}
