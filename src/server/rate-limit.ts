import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import { HttpError } from './http-error.ts';
import type { App } from './server-context.ts';

/**
 * Limits what one key, or without a key one address, may ask in a minute on the routes that are added later.
 *
 * @returns Counts a request that is refused before it gets to its route, among the others of its key or address.
 *   It throws {@link HttpError} 429 beyond the limit.
 */
export async function limitRequests(app: App, perMinute: number): Promise<(request: FastifyRequest) => Promise<void>> {
  const tooMany = (ttlMs: number): HttpError => {
    const retryAfterS = Math.max(1, Math.ceil(ttlMs / 1000));
    const message = `Expected at most ${perMinute} requests a minute, got more. Try again in ${retryAfterS} s.`;
    return new HttpError(429, message, { code: 'rate_limit_exceeded', retryAfterS });
  };
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => (request.keyName === undefined ? `address ${request.ip}` : `key ${request.keyName}`),
    errorResponseBuilder: (_request, { ttl }) => tooMany(ttl),
  });
  const count = app.createRateLimit();
  return async (request) => {
    const counted = await count(request);
    if (!counted.isAllowed && counted.isExceeded) throw tooMany(counted.ttl);
  };
}
