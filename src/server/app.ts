import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyRequest } from 'fastify';
import { answerBadPath, answerMalformed } from './early-errors.ts';
import { badRequest } from './http-error.ts';
import type { App } from './server-context.ts';
import type { ServerSettings } from './server-options.ts';

const sane = /^[\w.:-]{1,128}$/;

/** The Fastify instance, without routes. */
export function createApp({ bodyLimitBytes, logLevel }: ServerSettings): App {
  const app = fastify({
    logger:
      logLevel === 'silent'
        ? false
        : { level: logLevel, stream: process.stderr, serializers: { req: describeRequest } },
    bodyLimit: bodyLimitBytes,
    // Whoever sends a request byte by byte does not hold a connection for ever.
    requestTimeout: 30_000,
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && sane.test(given) ? given : randomUUID();
    },
    forceCloseConnections: 'idle',
    frameworkErrors: answerBadPath,
    clientErrorHandler: answerMalformed,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } },
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as App;
  takeJsonOnly(app);
  return app;
}

/** For the log: what follows a `?` may hold what people write. */
const describeRequest = ({ method, url, ip }: FastifyRequest) => ({
  ...{ method, path: url.split('?')[0]?.slice(0, 200), remoteAddress: ip },
});

/** Bodies are JSON in UTF-8; Fastify's own parser would put marks in the place of bytes that are none. */
function takeJsonOnly(app: App): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      text = decoder.decode(body as Buffer);
    } catch {
      done(badRequest('Expected a body in UTF-8, got bytes that are none.'));
      return;
    }
    void parse(request, text, done);
  });
}
