import { Type } from 'typebox';
import { errorAnswers } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';
import { summarySchema } from '../server-metrics.ts';

/** `GET /metrics`: Prometheus's text format, or JSON for whoever accepts only that. */
export function metricsRoute(app: App, { metrics }: ServerContext): void {
  app.get(
    '/metrics',
    {
      schema: {
        summary: "Counters and histograms; as JSON with 'Accept: application/json'",
        tags: ['operation'],
        response: {
          200: {
            description: 'By what the request accepts.',
            content: {
              'text/plain': { schema: Type.String({ description: "Prometheus's text format." }) },
              'application/json': { schema: summarySchema },
            },
          },
          ...errorAnswers(401),
        },
      },
      config: { right: 'any', rateLimit: false },
    },
    async (request, reply) => {
      if (/\bapplication\/json\b/i.test(request.headers.accept ?? '')) return metrics.summary();
      return reply.type(metrics.contentType).send(await metrics.text());
    },
  );
}
