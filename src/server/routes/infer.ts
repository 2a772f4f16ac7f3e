import { Type } from 'typebox';
import type { GenerationResult } from '../../runtime/generation.ts';
import { recordInference } from '../record-inference.ts';
import { energySchema, errorAnswers, personSchema, seedSchema, stopSchema, variantSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { checkNewTokens, checkPrompt, runTask, type Task } from '../task.ts';

const bodySchema = Type.Object(
  {
    input_text: Type.String({ description: 'The text to continue.', examples: ['Once upon a time'] }),
    max_length: Type.Optional(Type.Integer({ minimum: 1, default: 128, description: 'Tokens at most.' })),
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 100, default: 1 })),
    top_p: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1 })),
    stop: Type.Optional(stopSchema),
    top_k: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, examples: [40] })),
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
      const { client, stop, top_p: topP, model_variant: variant } = request.body;
      checkPrompt(context, prompt, 'input_text');
      checkNewTokens(context, maxNewTokens, 'max_length');
      return runTask(context, request, reply, { variant, person: client }, async (task) => {
        const { signal } = task;
        const options = { maxNewTokens, temperature, topK, topP, stop, seed, signal, whole: true };
        const { text, finish } = await collect(task, prompt, options);
        metrics.sawTokens('prompt', finish.promptTokens);
        metrics.sawTokens('output', finish.newTokens);
        const [firstMs, totalMs] = [task.firstTokenMs(), task.totalMs()];
        const { version } = task;
        const { promptTokens, newTokens: outputTokens } = finish;
        const inferenceId = await recordInference(
          context,
          {
            ...{ prompt, output: text, version, variant: task.variant, promptTokens, outputTokens },
            ...(client !== undefined && { client }),
          },
          request.log,
        );
        return {
          output_text: text,
          inference_id: inferenceId,
          model: settings.name,
          model_version: version,
          model_variant: task.variant,
          tokens: { prompt: promptTokens, output: outputTokens },
          time_to_first_token_ms: firstMs,
          total_ms: totalMs,
          finish_reason: finish.finishReason === 'length' ? ('length' as const) : ('stop' as const),
          energy: task.energy(),
        };
      });
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
