import { Type } from 'typebox';
import { currentDeployment, promoteVersion, rollBack } from '../../adaptation/deployment.ts';
import type { Deployment, ModelVersion } from '../../adaptation/store/store-records.ts';
import { errorAnswers } from '../schemas.ts';
import { type App, requireStore, type ServerContext } from '../server-context.ts';

const versionSchema = Type.Object({
  id: Type.String(),
  parent: Type.Optional(Type.String()),
  run_id: Type.Optional(Type.String()),
  model: Type.String(),
  state: Type.String(),
  created_at: Type.String(),
});

const deploymentSchema = Type.Object({
  promoted: Type.String(),
  previous: Type.Optional(Type.String()),
  canary: Type.Optional(Type.Object({ version: Type.String(), percent: Type.Number() })),
  since: Type.String(),
});

/** `GET /v1/versions`, `POST /v1/versions/:id/promote` and `POST /v1/rollback`. */
export function versionRoutes(app: App, context: ServerContext): void {
  const config = { right: 'admin' } as const;
  app.get(
    '/v1/versions',
    {
      schema: {
        summary: 'The versions that there are, and which of them answer',
        tags: ['versions'],
        response: {
          200: Type.Object({
            data: Type.Array(versionSchema),
            deployment: Type.Union([deploymentSchema, Type.Null()]),
            serving: Type.Object({ promoted: Type.String(), canary: Type.Optional(Type.String()) }),
          }),
          ...errorAnswers(429, 503),
        },
      },
      config,
    },
    async () => {
      const { store } = requireStore(context);
      const [versions, deployment] = [await store.listVersions(), await store.deployment()];
      const { promoted, canary } = context.router.serving;
      return {
        data: versions.map(showVersion),
        deployment: deployment ? showDeployment(deployment) : null,
        serving: { promoted, ...(canary && { canary: canary.version }) },
      };
    },
  );
  app.post(
    '/v1/versions/:id/promote',
    {
      schema: {
        summary: 'Let a version answer: everyone, or a share of clients',
        tags: ['versions'],
        params: Type.Object({ id: Type.String({ maxLength: 200 }) }),
        body: Type.Object(
          { canary_percent: Type.Optional(Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 100 })) },
          { additionalProperties: false },
        ),
        response: { 200: deploymentSchema, ...errorAnswers(400, 404, 409, 429, 503) },
      },
      config,
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request) => {
      const { store, versionsDir } = requireStore(context);
      const { canary_percent: percent } = request.body;
      // Before the first adaptation there is no version, which is another message than that of an unknown one.
      await currentDeployment(store);
      const options = percent === undefined ? {} : { canaryShare: percent / 100 };
      const deployment = await promoteVersion(store, versionsDir, request.params.id, options);
      await context.router.refresh();
      return showDeployment(deployment);
    },
  );
  app.post(
    '/v1/rollback',
    {
      schema: {
        summary: 'End the canary, or return to the version that was promoted before',
        tags: ['versions'],
        body: Type.Object({}, { additionalProperties: false }),
        response: { 200: deploymentSchema, ...errorAnswers(400, 404, 409, 429, 503) },
      },
      config,
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async () => {
      const { store, versionsDir } = requireStore(context);
      const deployment = await rollBack(store, versionsDir);
      await context.router.refresh();
      return showDeployment(deployment);
    },
  );
}

const showVersion = ({ id, parent, runId, model, state, createdAt }: ModelVersion) => ({
  ...{ id, model, state, created_at: createdAt },
  ...(parent !== undefined && { parent }),
  ...(runId !== undefined && { run_id: runId }),
});

const showDeployment = ({ promoted, previous, canary, since }: Deployment) => ({
  ...{ promoted, since },
  ...(previous !== undefined && { previous }),
  ...(canary && { canary: { version: canary.version, percent: 100 * canary.share } }),
});
