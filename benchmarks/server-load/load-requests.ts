import type { LoadRequest } from '../../src/benchmark/http-load.ts';
import { createRandom } from '../../src/core/random.ts';

/** Beginnings of texts, all within what the models were trained on. */
const beginnings = [
  'Once upon a time there was a little dog who',
  'The children went to the park because',
  'One day, a girl named Lily found',
  'In the old house by the sea there lived',
  'The history of the city began when',
  'Tom and his mother wanted to',
  'It was a cold day and the bird',
  'The king had three sons. The first',
];

/** The prompt of a request, by its number. */
const promptOf = (index: number): string => `${beginnings[index % beginnings.length]}`;

/** What is drawn for a request, over HTTP or not. */
export const generationOf = (index: number, maxNewTokens: number) => ({
  prompt: promptOf(index),
  options: { maxNewTokens, temperature: 1, seed: index % 2 ** 32 },
});

/** `POST /infer` that draws the same. */
export function inferRequest(index: number, maxNewTokens: number): LoadRequest {
  const { prompt, options } = generationOf(index, maxNewTokens);
  const { temperature, seed } = options;
  return { path: '/infer', body: { input_text: prompt, max_length: maxNewTokens, temperature, seed } };
}

/** All routes that compute, in turns, with prompts from a word to some hundred. */
export function mixedRequest(index: number): LoadRequest {
  const random = createRandom(index % 2 ** 32);
  const words = 1 + Math.floor(400 * random.uniform() ** 4);
  const text = Array.from(
    { length: words },
    (_, at) => beginnings[(index + at) % beginnings.length]?.split(' ')[at % 7],
  )
    .filter(Boolean)
    .join(' ');
  const tokens = 1 + random.integer(24);
  switch (index % 4) {
    case 0:
      return { path: '/infer', body: { input_text: text, max_length: tokens, seed: index } };
    case 1:
      return {
        path: '/v1/completions',
        body: { prompt: text, max_tokens: tokens, seed: index, stream: true, stream_options: { include_usage: true } },
      };
    case 2:
      return { path: '/v1/score', body: { text } };
    default:
      return { path: '/v1/suggest', body: { prompt: text, count: 1 + random.integer(5) } };
  }
}
