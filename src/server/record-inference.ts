import type { FastifyBaseLogger } from 'fastify';
import type { NewInference } from '../adaptation/store/store-records.ts';
import type { ServerContext } from './server-context.ts';

/**
 * Keeps what was asked and answered, so that feedback can name it.
 *
 * @returns Its id; null without a store, if the server keeps none, or if the store cannot keep it: the answer is worth
 *   more than its record.
 */
export async function recordInference(
  { stored, settings }: ServerContext,
  inference: NewInference,
  log: FastifyBaseLogger,
): Promise<string | null> {
  if (!stored || !settings.recordInferences) return null;
  return stored.store.recordInference(inference).catch((error) => {
    log.warn({ err: error }, 'the inference could not be recorded');
    return null;
  });
}
