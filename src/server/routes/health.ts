import { Type } from 'typebox';
import type { App, ServerContext } from '../server-context.ts';

const readySchema = Type.Object({
  status: Type.Enum(['ready', 'notReady']),
  model: Type.String(),
  version: Type.String(),
  canary: Type.Optional(Type.String()),
  variant: Type.String(),
  store: Type.Enum(['none', 'reachable', 'unreachable']),
  fault: Type.Optional(Type.Object({ version: Type.String(), reason: Type.String() })),
});

/** `GET /health`: the process lives. `GET /ready`: it can answer. Both are for supervisors, and open. */
export function healthRoutes(app: App, { settings, router, stored }: ServerContext): void {
  app.get(
    '/health',
    {
      schema: {
        summary: 'Whether the process lives',
        tags: ['operation'],
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
      config: { rateLimit: false },
    },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/ready',
    {
      schema: {
        summary: 'Whether requests can be answered, by which version',
        tags: ['operation'],
        response: { 200: readySchema, 503: readySchema },
      },
      config: { rateLimit: false },
    },
    async (_request, reply) => {
      const reachable = await stored?.store.deployment().then(
        () => true,
        () => false,
      );
      const store = reachable === undefined ? 'none' : reachable ? 'reachable' : 'unreachable';
      const { serving, fault } = router;
      const canAnswer = await router.canAnswer();
      const isReady = store !== 'unreachable' && canAnswer;
      return reply.code(isReady ? 200 : 503).send({
        status: isReady ? 'ready' : 'notReady',
        ...{ model: settings.name, version: serving.promoted, variant: settings.variant, store },
        ...(serving.canary && { canary: serving.canary.version }),
        ...(canAnswer ? fault && { fault } : { fault: { version: serving.promoted, reason: 'MODEL_UNAVAILABLE' } }),
      });
    },
  );
}
