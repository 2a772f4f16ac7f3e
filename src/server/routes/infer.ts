import type { FastifyBaseLogger } from 'fastify';
import { Type } from 'typebox';
import type { GenerationResult } from '../../runtime/generation.ts';
import { energySchema, errorAnswers, personSchema, seedSchema, variantSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { checkNewTokens, checkPrompt, energyNotMeasured, openTask, type Task } from '../task.ts';

const bodySchema = Type.Object(
  {
    input_text: Type.String({ description: 'The text to continue.' }),
    max_length: Type.Optional(Type.Integer({ minimum: 1, description: 'Tokens at most. Default 128.' })),
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: 'Default 1.' })),
    top_k: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    model_variant: Type.Optional(variantSchema),
    client: Type.Optional(personSchema),
    seed: Type.Optional(seedSchema),
  },
  { additionalProperties: false },
);

const answerSchema = Type.Object({
  output_text: Type.String(),
  inference_id: Type.Union([Type.String(), Type.Null()], {
    description: 'What feedback names; null if the inference was not recorded.',
  }),
  model: Type.String(),
  model_version: Type.String(),
  model_variant: variantSchema,
  tokens: Type.Object({ prompt: Type.Integer(), output: Type.Integer() }),
  time_to_first_token_ms: Type.Number(),
  total_ms: Type.Number(),
  finish_reason: Type.Enum(['length', 'stop']),
  energy: energySchema,
});

/** `POST /infer`: continues a text, as the original project's server would have. */
export function inferRoute(app: App, context: ServerContext): void {
  const { settings, metrics } = context;
  app.post(
    '/infer',
    {
      schema: {
        summary: 'Continue a text',
        tags: ['generation'],
        body: bodySchema,
        response: { 200: answerSchema, ...errorAnswers(400, 404, 429, 503, 504) },
      },
      config: { right: 'infer' },
    },
    async (request, reply) => {
      const { input_text: prompt, max_length: maxNewTokens = 128, temperature, top_k: topK, seed } = request.body;
      const { client, model_variant: variant } = request.body;
      checkPrompt(context, prompt, 'input_text');
      checkNewTokens(context, maxNewTokens, 'max_length');
      const task = await openTask(context, request, reply, { variant, person: client });
      try {
        const { signal } = task;
        const options = { maxNewTokens, temperature, topK, seed, signal };
        const { text, finish } = await collect(task, prompt, options);
        metrics.sawTokens('prompt', finish.promptTokens);
        metrics.sawTokens('output', finish.newTokens);
        const [firstMs, totalMs] = [task.firstTokenMs(), task.totalMs()];
        return {
          output_text: text,
          inference_id: await record(context, task, prompt, text, finish, client, request.log),
          model: settings.name,
          model_version: task.version,
          model_variant: task.variant,
          tokens: { prompt: finish.promptTokens, output: finish.newTokens },
          time_to_first_token_ms: firstMs,
          total_ms: totalMs,
          finish_reason: finish.finishReason === 'length' ? ('length' as const) : ('stop' as const),
          energy: energyNotMeasured,
        };
      } catch (error) {
        throw task.explain(error);
      } finally {
        task.end();
      }
    },
  );
}

async function collect(
  task: Task,
  prompt: string,
  options: Parameters<Task['model']['generate']>[1],
): Promise<{ readonly text: string; readonly finish: GenerationResult }> {
  const pieces = task.model.generate(prompt, options);
  let text = '';
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return { text, finish: next.value };
    task.sawToken();
    text += next.value.text;
  }
}

/** Its id; null without a store, or if the store cannot keep it: the answer is worth more than its record. */
async function record(
  { stored, settings }: ServerContext,
  { version, variant }: Task,
  prompt: string,
  output: string,
  { promptTokens, newTokens: outputTokens }: GenerationResult,
  client: string | undefined,
  log: FastifyBaseLogger,
): Promise<string | null> {
  if (!stored || !settings.recordInferences) return null;
  const inference = { prompt, output, version, variant, promptTokens, outputTokens };
  return stored.store.recordInference({ ...inference, ...(client !== undefined && { client }) }).catch((error) => {
    log.warn({ err: error }, 'the inference could not be recorded');
    return null;
  });
}
