import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer } from './toy-server.ts';

let server: Server;
let client: OpenAI;
beforeAll(async () => {
  server = await createToyServer();
  client = new OpenAI({ baseURL: `${await server.listen()}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.close());

const model = 'itera-lite-micro';
const prompt = 'Once upon a time';
const base = { model, prompt, max_tokens: 12, seed: 1 };

describe("OpenAI's client", () => {
  it('lists the models', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([model, `${model}:fp32`]);
    expect(data[1]).toMatchObject({
      itera: {
        ...{ version: model, variant: 'fp32', bytes: expect.any(Number) },
        measurements: expect.arrayContaining([expect.objectContaining({ metric: 'bits_per_byte' })]),
      },
    });
  });

  it('gets a completion with usage, the same for the same seed', async () => {
    const first = await client.completions.create(base);
    expect(first).toMatchObject({ object: 'text_completion', model });
    expect(first.id).toMatch(/^cmpl-/);
    expect(first.choices).toHaveLength(1);
    expect(first.choices[0]).toMatchObject({ index: 0, finish_reason: 'length', logprobs: null });
    expect(first.usage).toEqual({ prompt_tokens: 5, completion_tokens: 12, total_tokens: 17 });
    expect(first).toHaveProperty('itera.version', model);
    expect((await client.completions.create(base)).choices[0]?.text).toBe(first.choices[0]?.text);
    const greedy = await client.completions.create({ ...base, temperature: 0, top_p: 0.9 });
    expect(greedy.choices[0]?.text).toMatch(/^, there was a little/);
  });

  it('streams the text that it gets whole, and the usage at the end', async () => {
    const whole = await client.completions.create({ ...base, n: 2 });
    const stream = await client.completions.create({
      ...{ ...base, n: 2, stream: true, stream_options: { include_usage: true } },
    });
    const texts = ['', ''];
    const ends: (string | null)[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      for (const { index, text, finish_reason: reason } of chunk.choices) {
        texts[index] += text;
        if (reason) ends.push(reason);
      }
      usage = chunk.usage ?? usage;
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(texts[0]).not.toBe(texts[1]);
    expect(ends).toEqual(['length', 'length']);
    expect(usage).toEqual(whole.usage);
  });

  it('gets a text for each prompt and copy, in order', async () => {
    const { choices } = await client.completions.create({ ...base, prompt: ['The dog', 'The cat'], n: 2, echo: true });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(choices.map(({ text }) => text.slice(0, 7))).toEqual(['The dog', 'The dog', 'The cat', 'The cat']);
  });

  it('stops before a stop string', async () => {
    const options = { ...base, temperature: 0, max_tokens: 40, stop: ['little', 'dragon'] };
    const { choices } = await client.completions.create(options);
    expect(choices[0]).toMatchObject({ text: ', there was a ', finish_reason: 'stop' });
  });

  it('gets log-probabilities of prompt and text', async () => {
    const options = { ...base, temperature: 0, logprobs: 3, echo: true, max_tokens: 4 };
    const choice = (await client.completions.create(options)).choices[0];
    const {
      tokens = [],
      token_logprobs: logProbs = [],
      top_logprobs: top = [],
      text_offset: at = [],
    } = choice?.logprobs ?? {};
    expect(tokens.join('')).toBe(choice?.text);
    expect(tokens).toHaveLength(8);
    for (const [index, token] of tokens.entries()) {
      expect(choice?.text.slice(at[index], (at[index] as number) + token.length)).toBe(token);
      expect(top[index]?.[token]).toBeCloseTo(logProbs[index] as number, 4);
      expect(Object.keys(top[index] as object).length).toBeGreaterThanOrEqual(3);
    }
    // What is drawn without temperature is the most likely.
    for (const index of [4, 5, 6, 7]) expect(Math.max(...Object.values(top[index] as object))).toBe(logProbs[index]);
    const none = await client.completions.create({ ...options, logprobs: 0, max_tokens: 0 });
    expect(none.choices[0]?.text).toBe(prompt);
    expect(none.choices[0]?.logprobs?.token_logprobs?.map((x) => x.toFixed(3))).toEqual(
      logProbs.slice(0, 4).map((x) => x.toFixed(3)),
    );
  });

  it('draws fewer repetitions with penalties', async () => {
    const options = { ...base, temperature: 0, max_tokens: 60 };
    const distinct = async (more: object) => {
      const { choices } = await client.completions.create({ ...options, ...more });
      return new Set(choices[0]?.text.split(/\W+/)).size;
    };
    expect(await distinct({ presence_penalty: 2, frequency_penalty: 2 })).toBeGreaterThan(await distinct({}));
  });

  it.each<[what: string, more: object, status: number, param: string, code: string]>([
    ['another model', { model: 'gpt-4' }, 404, 'model', 'model_not_found'],
    ['a variant that is not there', { model: `${model}:int8` }, 404, 'model_variant', 'model_not_found'],
    ['too many tokens', { max_tokens: 5000 }, 400, 'max_tokens', 'invalid_value'],
    ['a temperature above 2', { temperature: 2.5 }, 400, 'temperature', 'invalid_value'],
    ['n above 8', { n: 9 }, 400, 'n', 'invalid_value'],
    ['more texts than there is room for', { prompt: Array(33).fill('a') }, 400, 'prompt', 'invalid_value'],
    ['five stop strings', { stop: ['a', 'b', 'c', 'd', 'e'] }, 400, 'stop', 'invalid_value'],
    ['a parameter that is not supported', { best_of: 3 }, 400, 'best_of', 'unsupported_parameter'],
    ['token ids', { prompt: [1, 2] }, 400, 'prompt', 'invalid_value'],
    ['options of a stream without one', { stream_options: {} }, 400, 'stream_options', 'invalid_value'],
    ['a prompt that is too long', { prompt: 'word '.repeat(3000) }, 400, 'prompt', 'context_length_exceeded'],
  ])('hears why it was refused: %s', async (_what, more, status, param, code) => {
    const error = await client.completions.create({ ...base, ...more }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status, code, type: 'invalid_request_error' });
    expect((error as APIError).param).toMatch(new RegExp(`^${param}`));
  });

  it('may leave parameters null', async () => {
    const nulls = { stop: null, logprobs: null, n: null, echo: null, presence_penalty: null, stream: null } as const;
    expect((await client.completions.create({ ...base, ...nulls })).choices).toHaveLength(1);
  });
});
