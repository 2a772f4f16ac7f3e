import { resolve } from 'node:path';
import envPaths from 'env-paths';

/**
 * The folder for what can be made or downloaded again.
 *
 * @param chosen - By the caller; else `ITERA_CACHE_DIR`, else the user's cache folder (`~/.cache/itera-lite` on Linux).
 */
export function cacheFolder(chosen?: string): string {
  return resolve(chosen || process.env['ITERA_CACHE_DIR'] || envPaths('itera-lite', { suffix: '' }).cache);
}
