import { Type } from 'typebox';
import { errorAnswers, iteraSchema, personSchema, variantSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { checkPrompt, describeTask, runTask } from '../task.ts';
import { tokenText } from '../token-listing.ts';

const bodySchema = Type.Object(
  {
    text: Type.String({ minLength: 1 }),
    model_variant: Type.Optional(variantSchema),
    client: Type.Optional(personSchema),
  },
  { additionalProperties: false },
);

/** `POST /v1/score`: how likely a text is, token by token. */
export function scoreRoute(app: App, context: ServerContext): void {
  app.post(
    '/v1/score',
    {
      schema: {
        summary: 'Log-probability of each token of a text',
        tags: ['generation'],
        body: bodySchema,
        response: {
          200: Type.Object({
            tokens: Type.Array(Type.String()),
            token_logprobs: Type.Array(Type.Number()),
            total_logprob: Type.Number(),
            bits_per_byte: Type.Number(),
            model: Type.String(),
            itera: iteraSchema,
          }),
          ...errorAnswers(400, 404, 429, 503, 504),
        },
      },
      config: { right: 'infer' },
    },
    async (request, reply) => {
      const { text, model_variant: variant, client } = request.body;
      const tokens = checkPrompt(context, text, 'text');
      return runTask(context, request, reply, { variant, person: client }, async (task) => {
        const { ids, logProbs } = await task.model.score(text, { signal: task.signal });
        context.metrics.sawTokens('prompt', tokens);
        const total = logProbs.reduce((sum, value) => sum + value, 0);
        return {
          tokens: ids.map((id) => tokenText(context.tokenizer, id)),
          token_logprobs: [...logProbs],
          total_logprob: total,
          bits_per_byte: -total / Math.LN2 / Buffer.byteLength(text),
          model: context.settings.name,
          itera: describeTask(task, tokens),
        };
      });
    },
  );
}
