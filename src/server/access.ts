import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKey, findApiKey, type Right } from './api-keys-file.ts';
import { HttpError } from './http-error.ts';
import type { App } from './server-context.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must allow; `any`: any key will do; absent: none is needed. */
    right?: Right | 'any';
  }
  interface FastifyRequest {
    /** Name of the key that came with the request. */
    keyName: string | undefined;
  }
}

/** Refuses requests without the key that their route needs; without keys everyone may do everything. */
export function guardRoutes(app: App, keys: readonly ApiKey[], onRefusal: () => void): void {
  app.decorateRequest('keyName', undefined);
  if (keys.length === 0) return;
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const { right } = request.routeOptions.config;
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const key = given === undefined ? undefined : findApiKey(keys, given);
    request.keyName = key?.name;
    if (right === undefined) return;
    if (!key) {
      onRefusal();
      reply.header('www-authenticate', 'Bearer');
      const came = given === undefined ? 'no key' : 'a key that is not known';
      throw new HttpError(401, `Expected "Authorization: Bearer KEY", got ${came}.`, { code: 'invalid_api_key' });
    }
    if (right !== 'any' && !key.rights.includes(right)) {
      onRefusal();
      const message = `Expected a key with the right "${right}", got ${key.name}, which has ${key.rights.join(', ')}.`;
      throw new HttpError(403, message, { code: 'insufficient_rights' });
    }
  });
}
