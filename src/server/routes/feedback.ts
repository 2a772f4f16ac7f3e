import { Type } from 'typebox';
import type { AdaptationStore, NewFeedback, StoredFeedback } from '../../adaptation/store/store-records.ts';
import { badRequest } from '../http-error.ts';
import { errorAnswers, personSchema } from '../schemas.ts';
import { type App, requireStore, type ServerContext } from '../server-context.ts';

const text = () => Type.String({ minLength: 1, maxLength: 20_000 });
const name = () => Type.String({ minLength: 1, maxLength: 200 });

const bodySchema = Type.Object(
  {
    feedback_id: Type.Optional(Type.String({ description: 'The inference_id that POST /infer gave.' })),
    inference_id: Type.Optional(Type.String({ description: 'The same by another name.' })),
    prompt: Type.Optional(text()),
    output: Type.Optional(text()),
    version: Type.Optional(name()),
    user_rating: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })),
    correctness: Type.Optional(Type.Boolean()),
    correction: Type.Optional(text()),
    comments: Type.Optional(text()),
    tags: Type.Optional(Type.Array(name(), { maxItems: 32 })),
    client: Type.Optional(personSchema),
  },
  {
    additionalProperties: false,
    description: 'Of a recorded inference, by its id; or whole, with prompt and output. A judgement is needed.',
  },
);

const answerSchema = Type.Object({
  id: Type.Union([Type.String(), Type.Null()], { description: 'null: the same was said before.' }),
  duplicate: Type.Boolean(),
});

const counts = { total: Type.Integer(), negative: Type.Integer() };

const summarySchema = Type.Object({
  ...counts,
  corrections: Type.Integer(),
  ratings: Type.Record(Type.String(), Type.Integer(), { description: 'How much feedback has each rating.' }),
  versions: Type.Array(Type.Object({ version: Type.Optional(Type.String()), ...counts })),
  recent: Type.Array(
    Type.Object({
      id: Type.String(),
      created_at: Type.String(),
      prompt: Type.String(),
      output: Type.Optional(Type.String()),
      user_rating: Type.Optional(Type.Integer()),
      correctness: Type.Optional(Type.Boolean()),
      correction: Type.Optional(Type.String()),
      comments: Type.Optional(Type.String()),
      client: Type.Optional(Type.String()),
      version: Type.Optional(Type.String()),
    }),
    { description: 'The last 20 pieces, newest first.' },
  ),
});

const shown = 20;

/** `POST /feedback`: keeps what someone says of an output. `GET /v1/feedback`: what was said. */
export function feedbackRoute(app: App, context: ServerContext): void {
  app.post(
    '/feedback',
    {
      schema: {
        summary: 'Say what an output is worth, or what it should have been',
        tags: ['feedback'],
        body: bodySchema,
        response: { 200: answerSchema, ...errorAnswers(400, 429, 503) },
      },
      config: { right: 'feedback' },
    },
    async (request) => {
      const { store, jobs } = requireStore(context);
      const { feedback_id: feedbackId, inference_id: inferenceId = feedbackId, prompt, client } = request.body;
      const { user_rating: rating, correctness: correct, correction, comments: comment, tags } = request.body;
      const { output, version } = request.body;
      if ((inferenceId === undefined) === (prompt === undefined)) {
        const message = 'Expected either feedback_id (the inference_id of an answer) or prompt and output. Give one.';
        throw badRequest(message, 'feedback_id');
      }
      if (rating === undefined && correct === undefined && correction === undefined) {
        throw badRequest('Expected a judgement: user_rating, correctness or correction. Give one.', 'user_rating');
      }
      if (version !== undefined) await checkVersion(context, store, version);
      const given = { output, version, rating, correct, correction, comment, client, tags, inferenceId };
      const parts = Object.entries(given).filter(([, part]) => part !== undefined);
      // With an inference its own prompt takes the place of this one.
      const item: NewFeedback = { prompt: prompt ?? '', ...Object.fromEntries(parts) };
      const { ids, duplicates } = await store.addFeedback([item]);
      if (ids.length > 0) {
        context.metrics.sawFeedback();
        jobs.sawFeedback();
      }
      return { id: ids[0] ?? null, duplicate: duplicates > 0 };
    },
  );
  app.get(
    '/v1/feedback',
    {
      schema: {
        summary: 'How much feedback there is, what it says, and the last of it',
        tags: ['feedback'],
        response: { 200: summarySchema, ...errorAnswers(429, 503) },
      },
      config: { right: 'admin' },
    },
    async () => {
      const { recent, versions, ratings, ...rest } = await requireStore(context).store.summarizeFeedback(shown);
      return { ...rest, ratings: { ...ratings }, versions: [...versions], recent: recent.map(showFeedback) };
    },
  );
}

/** @throws {@link HttpError} 400 for a version that there never was. */
async function checkVersion({ router }: ServerContext, store: AdaptationStore, version: string): Promise<void> {
  if (version === router.serving.promoted) return;
  const versions = await store.listVersions();
  if (versions.some(({ id }) => id === version)) return;
  throw badRequest('Expected a version as GET /v1/versions lists them, got another.', 'version');
}

function showFeedback({
  id,
  createdAt,
  prompt,
  output,
  rating,
  correct,
  correction,
  comment,
  ...rest
}: StoredFeedback) {
  const { client, version } = rest;
  const given = { output, user_rating: rating, correctness: correct, correction, comments: comment, client, version };
  const parts = Object.entries(given).filter(([, part]) => part !== undefined);
  return { id, created_at: createdAt, prompt, ...Object.fromEntries(parts) };
}
