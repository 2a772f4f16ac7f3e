import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { errorAnswers } from './schemas.ts';
import type { App } from './server-context.ts';
import type { ServerSettings } from './server-options.ts';

const pathParameter = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] };

/** The document at `/openapi.json` and the reference page at `/docs`, from the schemas of all routes added later. */
export async function describeRoutes(app: App, { name, version, keys, keysFile }: ServerSettings): Promise<void> {
  const needsKeys = Boolean(keys?.length) || keysFile !== undefined;
  app.addHook('onRoute', (route) => {
    const { config, schema } = route;
    if (!schema || schema.hide) return;
    const isGuarded = needsKeys && config?.right !== undefined;
    const more = [...(schema.body === undefined ? [] : [413]), ...(isGuarded ? [401, 403] : [])];
    schema.response = { ...errorAnswers(...more), ...(schema.response as object) };
    if (needsKeys && !isGuarded) schema.security = [];
  });
  await app.register(swagger, {
    // A name for what a route takes as `*`, which OpenAPI has no form for.
    transform: ({ schema, url }) =>
      url.endsWith('/*')
        ? { url: `${url.slice(0, -1)}:path`, schema: { ...schema, params: pathParameter } }
        : { schema, url },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Itera-Lite',
        version,
        description: `Serves the language model ${name}; learns from feedback on it.`,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      ...(needsKeys && {
        components: { securitySchemes: { key: { type: 'http' as const, scheme: 'bearer' } } },
        security: [{ key: [] }],
      }),
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // The page's scripts and styles are its own files; this policy allows them and nothing else.
    staticCSP: true,
    transformStaticCSP: (policy) => policy.replace('upgrade-insecure-requests;', ''),
  });
  app.get('/openapi.json', { schema: { hide: true }, config: { rateLimit: false } }, async () => app.swagger());
}
