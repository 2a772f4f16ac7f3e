import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { AnswerFacts, CompletionEvent, CompletionRequest } from '../shared/api-types.ts';
import { streamCompletion } from '../shared/completions.ts';
import { isAbort } from '../shared/http.ts';

/** A token that was drawn, as it is shown. */
export interface ShownToken {
  /** What it added to the text; empty while a character is incomplete. */
  readonly text: string;
  /** The token itself. */
  readonly token: string;
  readonly logProb: number;
  /** The most likely tokens in its place, the drawn one included, likeliest first. */
  readonly alternatives: readonly { readonly token: string; readonly logProb: number }[];
}

export interface Generation {
  readonly status: 'idle' | 'running' | 'done' | 'stopped' | 'failed';
  readonly prompt: string;
  readonly tokens: readonly ShownToken[];
  /** From sending the request, as this page saw it. */
  readonly firstTokenMs?: number;
  readonly totalMs?: number;
  readonly finishReason?: string;
  /** What the server said at the end. */
  readonly facts?: AnswerFacts;
  readonly error?: unknown;
}

const idle: Generation = { status: 'idle', prompt: '', tokens: [] };

/** One generation at a time, drawn as it comes. */
export function useGeneration() {
  const [generation, setGeneration] = useState<Generation>(idle);
  const running = useRef<AbortController>(undefined);

  const stop = useCallback(() => running.current?.abort(), []);
  useEffect(() => stop, [stop]);

  const begin = useCallback(
    async (wanted: CompletionRequest) => {
      stop();
      const own = new AbortController();
      running.current = own;
      const started = performance.now();
      const tokens: ShownToken[] = [];
      let now: Generation = { status: 'running', prompt: wanted.prompt, tokens };
      let frame = 0;
      const show = (): void => {
        cancelAnimationFrame(frame);
        frame = 0;
        // A generation that was replaced has nothing left to show.
        if (running.current === own) setGeneration({ ...now, tokens: [...tokens] });
      };
      show();
      try {
        for await (const event of streamCompletion(wanted, own.signal)) {
          const ms = performance.now() - started;
          const shown = readTokens(event);
          tokens.push(...shown);
          const [choice] = event.choices;
          const facts = factsOf(event);
          now = {
            ...now,
            totalMs: ms,
            ...(now.firstTokenMs === undefined && tokens.length > 0 && { firstTokenMs: ms }),
            ...(choice?.finish_reason && { finishReason: choice.finish_reason }),
            ...(facts && { facts }),
          };
          // More often than the screen is drawn would only cost time.
          frame ||= requestAnimationFrame(show);
        }
        now = { ...now, status: 'done' };
      } catch (error) {
        now =
          isAbort(error) || own.signal.aborted ? { ...now, status: 'stopped' } : { ...now, status: 'failed', error };
      }
      show();
    },
    [stop],
  );
  return { generation, begin, stop };
}

function readTokens({ choices: [choice] }: CompletionEvent): ShownToken[] {
  if (!choice) return [];
  const { logprobs, text } = choice;
  if (!logprobs) return [];
  const { length } = logprobs.tokens;
  return logprobs.tokens.map((token, at) => ({
    // All text of an event stands with its last token, which is the one that completed it.
    text: at === length - 1 ? text : '',
    token,
    logProb: logprobs.token_logprobs[at] ?? 0,
    alternatives: Object.entries(logprobs.top_logprobs[at] ?? {})
      .map(([other, logProb]) => ({ token: other, logProb }))
      .sort((a, b) => b.logProb - a.logProb),
  }));
}

function factsOf({ itera, choices: [choice] }: CompletionEvent): AnswerFacts | undefined {
  if (!itera) return undefined;
  return { ...itera, inference_id: choice?.inference_id ?? null };
}

export const outputOf = ({ tokens }: Generation): string => tokens.map(({ text }) => text).join('');

/** Tokens a second after the first one; undefined for fewer than two. */
export function tokensPerSecond({ tokens, firstTokenMs, totalMs }: Generation): number | undefined {
  if (tokens.length < 2 || firstTokenMs === undefined || totalMs === undefined || totalMs <= firstTokenMs)
    return undefined;
  return (1000 * (tokens.length - 1)) / (totalMs - firstTokenMs);
}
