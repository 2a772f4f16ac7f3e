import { createHash } from 'node:crypto';
import type { Deployment } from './store/store-records.ts';

/**
 * The version that answers a client: while a canary is out, its share of clients, always the same ones, gets it.
 *
 * @param client - Who asks; for one without a name, anything that differs from request to request.
 */
export function versionFor({ promoted, canary }: Deployment, client: string): string {
  if (!canary) return promoted;
  // With the version in the hash, other clients go first the next time.
  const hash = createHash('sha256').update(`${canary.version}\0${client}`).digest();
  return hash.readUInt32BE(0) / 2 ** 32 < canary.share ? canary.version : promoted;
}
