import { type TSchema, Type } from 'typebox';
import { compressedVariants } from '../models/variants.ts';

export const variantSchema = Type.Enum(['fp32', ...compressedVariants], {
  description: 'Form of the weights; those that the model has are listed by GET /v1/models.',
});

/** Who a request is from, for the canary and the feedback; never for limits. */
export const personSchema = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'Who asks, by any name that stays the same: decides about the canary, not about limits.',
});

const stopText = Type.String({ minLength: 1, maxLength: 1000 });

export const stopSchema = Type.Union([stopText, Type.Array(stopText, { maxItems: 4 })], {
  description: 'Texts before which the output ends, at most 4.',
});

export const seedSchema = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1, examples: [1] });

export const energySchema = Type.Object({
  status: Type.Literal('estimated'),
  joules: Type.Number(),
  interval: Type.Array(Type.Number(), { minItems: 2, maxItems: 2, description: 'Between these it lies.' }),
  cpu_seconds: Type.Number({ description: 'Processor time of the request, of the server and the model together.' }),
  method: Type.String(),
});

/** What says about an answer how it came about. */
export const iteraSchema = Type.Object({
  version: Type.String(),
  variant: variantSchema,
  tokens: Type.Optional(Type.Object({ prompt: Type.Integer() })),
  time_to_first_token_ms: Type.Optional(Type.Number()),
  total_ms: Type.Number(),
  energy: energySchema,
});

/** `null` is what OpenAI's clients send for what is not given. */
export const nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));

export const errorSchema = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: Type.Union([Type.String(), Type.Null()]),
      code: Type.String(),
    }),
  },
  { description: 'What was wrong.' },
);

/** The errors that a route may answer, by status. */
export const errorAnswers = <S extends number>(...statuses: readonly S[]) =>
  Object.fromEntries(statuses.map((status) => [status, errorSchema])) as Record<S, typeof errorSchema>;

/** Body without the parts that are `null`. */
export function omitNull<T extends object>(body: T): { [K in keyof T]: Exclude<T[K], null> } {
  const entries = Object.entries(body).filter(([, value]) => value !== null);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], null> };
}
