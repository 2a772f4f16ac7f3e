import type { CompletionEvent, CompletionRequest } from './api-types.ts';
import { ApiError, sendJson } from './http.ts';

/** Alternatives that are asked for with each token. */
const alternatives = 5;

/**
 * Continues a text; the events come as the server draws the tokens.
 *
 * @throws {@link ApiError}, also for an error within the stream; an abort as `fetch` throws it.
 */
export async function* streamCompletion(
  wanted: CompletionRequest,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent, void, undefined> {
  const body = { ...wanted, stream: true, logprobs: alternatives };
  const response = await sendJson('v1/completions', body, signal);
  for await (const data of readEvents(response)) {
    if (data === '[DONE]') return;
    const event = JSON.parse(data) as CompletionEvent & { error?: { code: string; message: string } };
    if (event.error) throw new ApiError(500, event.error.code, event.error.message);
    yield event;
  }
}

/** The data of server-sent events. */
async function* readEvents(response: Response): AsyncGenerator<string, void, undefined> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = '';
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const events = (rest + next.value).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        const lines = event.split('\n').filter((line) => line.startsWith('data:'));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join('\n');
      }
    }
  } finally {
    // The reader may leave early, which must end the request.
    await reader.cancel().catch(() => undefined);
  }
}
