import { Type } from 'typebox';
import { errorAnswers, iteraSchema, personSchema, variantSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { checkPrompt, describeTask, runTask } from '../task.ts';

const bodySchema = Type.Object(
  {
    prompt: Type.String({ description: 'All text before the cursor.' }),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 20, description: 'Default 3.' })),
    model_variant: Type.Optional(variantSchema),
    client: Type.Optional(personSchema),
  },
  { additionalProperties: false },
);

/** `POST /v1/suggest`: autocomplete, in whole words. */
export function suggestRoute(app: App, context: ServerContext): void {
  app.post(
    '/v1/suggest',
    {
      schema: {
        summary: 'Suggest the next word, or the rest of the one that is being typed',
        tags: ['generation'],
        body: bodySchema,
        response: {
          200: Type.Object({
            suggestions: Type.Array(Type.Object({ text: Type.String(), probability: Type.Number() })),
            model: Type.String(),
            itera: iteraSchema,
          }),
          ...errorAnswers(400, 404, 429, 503, 504),
        },
      },
      config: { right: 'infer' },
    },
    async (request, reply) => {
      const { prompt, count = 3, model_variant: variant, client } = request.body;
      const tokens = checkPrompt(context, prompt, 'prompt');
      return runTask(context, request, reply, { variant, person: client }, async (task) => {
        const found = await task.model.suggest(prompt, { count, signal: task.signal });
        context.metrics.sawTokens('prompt', tokens);
        return {
          suggestions: found.map(({ text, probability }) => ({ text, probability })),
          model: context.settings.name,
          itera: describeTask(task, tokens),
        };
      });
    },
  );
}
