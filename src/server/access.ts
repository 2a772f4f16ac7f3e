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

export interface Guard {
  /** The keys that hold now; absent: everyone may do everything. */
  readonly readKeys?: () => Promise<readonly ApiKey[]>;
  /** Counts a request that is about to be refused, and throws another error if there were too many. */
  readonly countRefusal?: (request: FastifyRequest) => Promise<void>;
  readonly onRefusal: () => void;
}

/**
 * Refuses requests without the key that their route needs.
 *
 * @remarks Wrong keys are counted by address, so that tries have a limit. A right key is let in all the same: keys are
 *   too long to be guessed, and behind a proxy one client with a wrong key must not lock out all others.
 */
export function guardRoutes(app: App, { readKeys, countRefusal, onRefusal }: Guard): void {
  app.decorateRequest('keyName', undefined);
  if (!readKeys) return;
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const { right } = request.routeOptions.config;
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const key = given === undefined ? undefined : findApiKey(await readKeys(), given);
    request.keyName = key?.name;
    if (right === undefined) return;
    if (!key) {
      await countRefusal?.(request);
      onRefusal();
      reply.header('www-authenticate', 'Bearer');
      const came = given === undefined ? 'no key' : 'a key that is not known';
      throw new HttpError(401, `Expected "Authorization: Bearer KEY", got ${came}.`, { code: 'invalid_api_key' });
    }
    if (right !== 'any' && !key.rights.includes(right)) {
      await countRefusal?.(request);
      onRefusal();
      const message = `Expected a key with the right "${right}", got ${key.name}, which has ${key.rights.join(', ')}.`;
      throw new HttpError(403, message, { code: 'insufficient_rights' });
    }
  });
}
