import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import { type Static, type TSchema, Type } from 'typebox';
import { isCompressed, type VariantName } from '../../models/variants.ts';
import { type CompletionPart, type CompletionSpec, completeText } from '../completion-choices.ts';
import { mergeGenerators, sendEvents } from '../event-stream.ts';
import { badRequest, HttpError } from '../http-error.ts';
import { recordInference } from '../record-inference.ts';
import { errorAnswers, iteraSchema, nullable, omitNull, seedSchema, stopSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { checkNewTokens, checkPrompt, openTask, type Task } from '../task.ts';
import { joinListings } from '../token-listing.ts';

const penalty = Type.Number({ minimum: -2, maximum: 2 });

const bodySchema = Type.Object(
  {
    model: nullable(Type.String({ maxLength: 200, description: 'As GET /v1/models lists them.' })),
    prompt: nullable(
      Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 1024 })], {
        description: 'Default: nothing, for a new text.',
      }),
    ),
    max_tokens: nullable(Type.Integer({ minimum: 0, description: 'Default 16.' })),
    temperature: nullable(Type.Number({ minimum: 0, maximum: 2, description: 'Default 1.' })),
    top_p: nullable(Type.Number({ exclusiveMinimum: 0, maximum: 1 })),
    n: nullable(Type.Integer({ minimum: 1, maximum: 8 })),
    stream: nullable(Type.Boolean()),
    stream_options: nullable(
      Type.Object({ include_usage: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
    ),
    stop: nullable(stopSchema),
    logprobs: nullable(Type.Integer({ minimum: 0, maximum: 5 })),
    echo: nullable(Type.Boolean()),
    seed: nullable(seedSchema),
    presence_penalty: nullable(penalty),
    frequency_penalty: nullable(penalty),
    user: nullable(Type.String({ minLength: 1, maxLength: 200 })),
  },
  { additionalProperties: false, description: "OpenAI's completions; what is not listed is refused." },
);

type Body = Static<typeof bodySchema>;

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const choiceSchema = Type.Object({
  index: Type.Integer(),
  text: Type.String(),
  logprobs: orNull(
    Type.Object({
      tokens: Type.Array(Type.String()),
      token_logprobs: Type.Array(Type.Number()),
      top_logprobs: Type.Array(Type.Record(Type.String(), Type.Number())),
      text_offset: Type.Array(Type.Integer()),
    }),
  ),
  finish_reason: orNull(
    Type.Enum(['stop', 'length'], { description: 'In a stream null but on the last event of a text.' }),
  ),
  inference_id: Type.Optional(
    orNull(Type.String({ description: 'What feedback names; null if the text was not recorded.' })),
  ),
});

const answerSchema = Type.Object({
  id: Type.String(),
  object: Type.Literal('text_completion'),
  created: Type.Integer(),
  model: Type.String(),
  choices: Type.Array(choiceSchema),
  usage: Type.Optional(
    orNull(
      Type.Object({
        prompt_tokens: Type.Integer(),
        completion_tokens: Type.Integer(),
        total_tokens: Type.Integer(),
      }),
    ),
  ),
  itera: Type.Optional(iteraSchema),
});

const answers = {
  description: 'Whole, or with stream: true as events.',
  content: {
    'application/json': { schema: answerSchema },
    'text/event-stream': {
      schema: Type.String({ description: 'Events of the same form as the whole answer, then [DONE].' }),
    },
  },
};

/** `POST /v1/completions`, as OpenAI's. */
export function completionsRoute(app: App, context: ServerContext): void {
  app.post(
    '/v1/completions',
    {
      schema: {
        summary: "Continue texts, as OpenAI's completions; with stream: true as server-sent events",
        tags: ['generation'],
        body: bodySchema,
        response: { 200: answers, ...errorAnswers(400, 404, 429, 503, 504) },
      },
      config: { right: 'infer' },
    },
    async (request, reply) => {
      const body = omitNull(request.body);
      const { stream = false, user: person } = body;
      if (body.stream_options && !stream) throw badRequest('stream_options needs stream: true.', 'stream_options');
      const variant = findVariant(context, body.model);
      const { specs, promptTokens } = readSpecs(context, body);
      const task = await openTask(context, request, reply, { variant, person, weight: specs.length });
      const answer = createAnswer(context, task, body, promptTokens);
      context.metrics.sawTokens('prompt', promptTokens);
      const texts = mergeGenerators(specs.map((spec) => completeText(task, context.tokenizer, spec)));
      const parts = recordTexts(context, task, specs, person, texts, request.log);
      if (stream) return sendEvents(request, reply, task, answer.events(parts, specs.length));
      try {
        const all: RecordedPart[] = [];
        for await (const part of parts) all.push(part);
        return answer.whole(all, specs.length);
      } catch (error) {
        throw task.explain(error);
      } finally {
        task.end();
      }
    },
  );
}

/** @throws {@link HttpError} 404 for another model than the one that is served. */
function findVariant({ settings }: ServerContext, model = settings.name): VariantName | undefined {
  if (model === settings.name) return undefined;
  const variant = model.startsWith(`${settings.name}:`) ? model.slice(settings.name.length + 1) : '';
  if (variant === 'fp32' || isCompressed(variant)) return variant;
  const message = `There is no model ${JSON.stringify(model)} here. GET /v1/models lists what is.`;
  throw new HttpError(404, message, { code: 'model_not_found', param: 'model' });
}

type GivenBody = { [K in keyof Body]: Exclude<Body[K], null> };

function readSpecs(context: ServerContext, body: GivenBody) {
  const { prompt = '', n = 1, seed, logprobs, echo = false, max_tokens: wanted = 16, stop } = body;
  const prompts = typeof prompt === 'string' ? [prompt] : prompt;
  const maxNewTokens = checkNewTokens(context, wanted, 'max_tokens');
  // First, so that a thousand long prompts are not all counted before they are refused.
  if (prompts.length * n > context.settings.maxConcurrent) {
    const message = `Expected at most ${context.settings.maxConcurrent} texts in one request, got ${prompts.length * n}.`;
    throw badRequest(message, prompts.length > 1 ? 'prompt' : 'n');
  }
  const promptTokens = prompts.reduce((sum, text) => sum + checkPrompt(context, text, 'prompt'), 0);
  const specs = prompts.flatMap((text, at) =>
    Array.from({ length: n }, (_, copy): CompletionSpec => {
      const index = at * n + copy;
      const options = {
        ...{ temperature: body.temperature, topP: body.top_p, stop },
        ...{ presencePenalty: body.presence_penalty, frequencyPenalty: body.frequency_penalty },
        // Each text has its own random numbers, or all would be equal.
        ...(seed !== undefined && { seed: (seed + index) % 2 ** 32 }),
      };
      const whole = body.stream !== true;
      return { index, prompt: text, options, maxNewTokens, echo, whole, ...(logprobs !== undefined && { logprobs }) };
    }),
  );
  return { specs, promptTokens };
}

/** A part that, if it is its text's last, may name the record of it. */
type RecordedPart = CompletionPart & { readonly inferenceId?: string | null };

/** Keeps each text when its last part comes. */
async function* recordTexts(
  context: ServerContext,
  { version, variant }: Task,
  specs: readonly CompletionSpec[],
  client: string | undefined,
  parts: AsyncIterable<CompletionPart>,
  log: FastifyBaseLogger,
): AsyncGenerator<RecordedPart, void, undefined> {
  for await (const part of parts) {
    const { finish, index } = part;
    const prompt = specs[index]?.prompt;
    if (!finish || finish.newTokens === 0 || prompt === undefined) {
      yield part;
      continue;
    }
    const { output, newTokens: outputTokens } = finish;
    const inference = { prompt, output, version, variant, outputTokens, ...(client !== undefined && { client }) };
    yield { ...part, inferenceId: await recordInference(context, inference, log) };
  }
}

/** The answer's form, which is the same whole or as events. */
function createAnswer(context: ServerContext, task: Task, body: GivenBody, promptTokens: number) {
  const { settings, metrics } = context;
  const head = {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion' as const,
    created: Math.floor(Date.now() / 1000),
    model: body.model ?? settings.name,
  };
  const usage = (newTokens: number) => ({
    ...{ prompt_tokens: promptTokens, completion_tokens: newTokens, total_tokens: promptTokens + newTokens },
  });
  const itera = () => ({
    ...{ version: task.version, variant: task.variant },
    ...{ time_to_first_token_ms: task.firstTokenMs(), total_ms: task.totalMs(), energy: task.energy() },
  });
  return {
    whole(parts: readonly RecordedPart[], count: number) {
      const choices = Array.from({ length: count }, (_, index) => {
        const own = parts.filter((part) => part.index === index);
        const listings = own.flatMap(({ logprobs }) => logprobs ?? []);
        return {
          ...{ index, text: own.map(({ text }) => text).join('') },
          logprobs: body.logprobs === undefined ? null : joinListings(listings),
          finish_reason: own.at(-1)?.finish?.reason ?? 'stop',
          inference_id: own.at(-1)?.inferenceId ?? null,
        };
      });
      const newTokens = parts.reduce((sum, { finish }) => sum + (finish?.newTokens ?? 0), 0);
      metrics.sawTokens('output', newTokens);
      return { ...head, choices, usage: usage(newTokens), itera: itera() };
    },
    async *events(parts: AsyncIterable<RecordedPart>, count: number): AsyncGenerator<object, void, undefined> {
      const includesUsage = body.stream_options?.include_usage ?? false;
      let [left, newTokens] = [count, 0];
      for await (const { index, text, logprobs = null, finish, inferenceId } of parts) {
        const choice = {
          ...{ index, text, logprobs, finish_reason: finish?.reason ?? null },
          ...(finish && { inference_id: inferenceId ?? null }),
        };
        if (finish) {
          left--;
          newTokens += finish.newTokens;
        }
        yield {
          ...{ ...head, choices: [choice] },
          ...(includesUsage && { usage: null }),
          ...(left === 0 && { itera: itera() }),
        };
      }
      metrics.sawTokens('output', newTokens);
      if (includesUsage) yield { ...head, choices: [], usage: usage(newTokens) };
    },
  };
}
