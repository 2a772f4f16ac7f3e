import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { App, ServerContext } from './server-context.ts';

// From src/server and dist/server alike, the package's root is two folders up.
const builtPages = fileURLToPath(new URL('../../dist/web', import.meta.url));

const policy = (...scripts: readonly string[]): string =>
  [
    "default-src 'none'",
    ["script-src 'self'", ...scripts].join(' '),
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const pagePolicy = policy();

/** Compiling WebAssembly is allowed where a model is run: in the page of that name and in its worker, a built file. */
const computingPolicy = policy("'wasm-unsafe-eval'");

/**
 * Serves the built web interface under `/ui/`, and leads there from `/`; nothing if it was not built. The pages are open:
 * what they show comes from routes that ask for keys.
 */
export async function webPages(app: App, { settings }: ServerContext): Promise<void> {
  const { webDir = builtPages } = settings;
  if (webDir === false || !existsSync(join(webDir, 'index.html'))) return;
  const route = { schema: { hide: true }, config: { rateLimit: false } } as const;
  // Relative, so that a proxy may put the server under another path.
  app.get('/', route, (_request, reply) => reply.redirect('ui/'));
  app.get('/ui', route, (_request, reply) => reply.redirect('ui/'));
  // The plugin only adds `sendFile`: routes of its own would be listed and limited like those of the API.
  await app.register(fastifyStatic, {
    root: resolve(webDir),
    serve: false,
    cacheControl: false,
    setHeaders(reply, path) {
      const isPage = path.endsWith('.html');
      // Names of built files hold a hash of their content; those of pages do not.
      reply.header('cache-control', isPage ? 'no-cache' : 'public, max-age=31536000, immutable');
      const computes = !isPage || path.endsWith('browser.html');
      reply.header('content-security-policy', computes ? computingPolicy : pagePolicy);
    },
  });
  app.get('/ui/*', route, (request, reply) => {
    const { '*': path } = request.params as { readonly '*': string };
    return reply.sendFile(path === '' ? 'index.html' : path);
  });
}
