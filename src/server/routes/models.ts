import { Type } from 'typebox';
import type { ModelForm } from '../model-forms.ts';
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
    itera: Type.Object({
      version: Type.String(),
      variant: variantSchema,
      bytes: Type.Integer({ description: 'Of the file of its weights.' }),
      measurements: Type.Array(Type.Unknown(), { description: 'What the folder of this version says was measured.' }),
    }),
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
      const version = router.serving.promoted;
      const show = (id: string, { variant, bytes, measurements }: ModelForm) => ({
        ...{ id, object: 'model' as const, created, owned_by: 'itera-lite' },
        itera: { version, variant, bytes, measurements: [...measurements] },
      });
      const usual = router.forms.filter(({ variant }) => variant === settings.variant);
      return {
        object: 'list' as const,
        data: [
          ...usual.map((form) => show(settings.name, form)),
          ...router.forms.map((form) => show(`${settings.name}:${form.variant}`, form)),
        ],
      };
    },
  );
}
