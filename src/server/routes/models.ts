import { Type } from 'typebox';
import type { ModelFolder } from '../../models/model-folder-file.ts';
import { readVariantRecords, type VariantName } from '../../models/variants.ts';
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
      bytes: Type.Optional(Type.Integer({ description: 'Of the file of its weights, in the base model.' })),
      measurements: Type.Optional(
        Type.Array(Type.Unknown(), { description: 'What was measured of the base model in this form.' }),
      ),
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
      const show = (id: string, variant: (typeof router.variants)[number]) => ({
        ...{ id, object: 'model' as const, created, owned_by: 'itera-lite' },
        itera: { version: router.serving.promoted, variant, ...describe(settings.folder, variant) },
      });
      const named = router.variants.map((variant) => show(`${settings.name}:${variant}`, variant));
      return { object: 'list' as const, data: [show(settings.name, settings.variant), ...named] };
    },
  );
}

/** Size and measurements of one form of the base model, as far as its folder tells. */
function describe({ itera, weights }: ModelFolder, variant: VariantName) {
  if (variant !== 'fp32') {
    const record = readVariantRecords(itera)[variant];
    return { ...(record && { bytes: record.bytes }), measurements: [...(record?.measurements ?? [])] };
  }
  const bytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const { measurements } = (itera ?? {}) as { readonly measurements?: unknown };
  return { bytes, measurements: Array.isArray(measurements) ? measurements : [] };
}
