import { Type } from 'typebox';
import { errorAnswers, variantSchema } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';

/** `GET /v1/models`, in the shape of OpenAI's API. */
export function modelsRoute(app: App, { settings, router }: ServerContext): void {
  const created = Math.floor(Date.now() / 1000);
  const modelSchema = Type.Object({
    id: Type.String(),
    object: Type.Literal('model'),
    created: Type.Integer(),
    owned_by: Type.String(),
    itera: Type.Object({ version: Type.String(), variant: variantSchema }),
  });
  app.get(
    '/v1/models',
    {
      schema: {
        summary: 'The model, and each of its variants as NAME:VARIANT',
        tags: ['models'],
        response: {
          200: Type.Object({ object: Type.Literal('list'), data: Type.Array(modelSchema) }),
          ...errorAnswers(429),
        },
      },
      config: { right: 'infer' },
    },
    async () => {
      const show = (id: string, variant: (typeof router.variants)[number]) => ({
        ...{ id, object: 'model' as const, created, owned_by: 'itera-lite' },
        itera: { version: router.serving.promoted, variant },
      });
      const named = router.variants.map((variant) => show(`${settings.name}:${variant}`, variant));
      return { object: 'list' as const, data: [show(settings.name, settings.variant), ...named] };
    },
  );
}
