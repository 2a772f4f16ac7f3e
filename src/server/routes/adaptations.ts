import { type Static, Type } from 'typebox';
import type { AdaptationRun } from '../../adaptation/store/store-records.ts';
import { HttpError } from '../http-error.ts';
import { errorAnswers } from '../schemas.ts';
import { type App, requireStore, type ServerContext } from '../server-context.ts';

const runSchema = Type.Object({
  id: Type.String(),
  status: Type.String(),
  trigger: Type.String(),
  parent: Type.String(),
  candidate: Type.Optional(Type.String()),
  started_at: Type.String(),
  ended_at: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  settings: Type.Unknown(),
  findings: Type.Optional(Type.Unknown()),
  evidence: Type.Optional(Type.Unknown()),
});

const listed = 100;

/** `POST /adapt`, `GET /v1/adaptations` and `GET /v1/adaptations/:id`: runs that learn from feedback. */
export function adaptationRoutes(app: App, context: ServerContext): void {
  const config = { right: 'admin' } as const;
  app.post(
    '/adapt',
    {
      schema: {
        summary: 'Learn from the feedback, in the background',
        tags: ['adaptation'],
        body: Type.Optional(Type.Object({}, { additionalProperties: false })),
        response: { 202: Type.Object({ run: runSchema }), ...errorAnswers(400, 409, 429, 503) },
      },
      config,
      // It needs no body, but a client that sends one sends JSON.
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (_request, reply) => {
      const run = await requireStore(context).jobs.start();
      return reply.code(202).send({ run: showRun(run) });
    },
  );
  app.get(
    '/v1/adaptations',
    {
      schema: {
        summary: 'Runs with their findings and evidence, newest first',
        tags: ['adaptation'],
        response: { 200: Type.Object({ data: Type.Array(runSchema) }), ...errorAnswers(429, 503) },
      },
      config,
    },
    async () => ({ data: (await requireStore(context).store.listRuns(listed)).map(showRun) }),
  );
  app.get(
    '/v1/adaptations/:id',
    {
      schema: {
        summary: 'One run',
        tags: ['adaptation'],
        params: Type.Object({ id: Type.String({ maxLength: 200 }) }),
        response: { 200: runSchema, ...errorAnswers(404, 429, 503) },
      },
      config,
    },
    async (request) => {
      const runs = await requireStore(context).store.listRuns();
      const found = runs.find(({ id }) => id === request.params.id);
      if (!found)
        throw new HttpError(404, 'There is no adaptation run of this id.', { code: 'not_found', param: 'id' });
      return showRun(found);
    },
  );
}

function showRun({ evidence, startedAt, endedAt, ...run }: AdaptationRun): Static<typeof runSchema> {
  const { findings, ...rest } = evidence ?? {};
  return {
    ...run,
    started_at: startedAt,
    ...(endedAt !== undefined && { ended_at: endedAt }),
    ...(findings !== undefined && { findings }),
    ...(evidence && { evidence: rest }),
  };
}
