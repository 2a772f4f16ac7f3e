import { IteraError, throwIfAborted } from '../../core/errors.ts';
import { createStore } from './database-store.ts';
import type { AdaptationStore } from './store-records.ts';
import type { StoreDatabase } from './store-session.ts';

/** Options of {@link openStore}. */
export interface OpenStoreOptions {
  readonly signal?: AbortSignal;
}

/**
 * Opens the store of adaptation and makes it where there is none.
 *
 * @param location - A folder, for an embedded database that one process holds; or the address of a PostgreSQL server, 15 or
 *   newer, `postgres://user:password@host/database`, which many may use.
 * @throws {@link IteraError} `INVALID_ARGUMENT`, `ABORTED`, `STORE_IN_USE`, `STORE_UNAVAILABLE`, `STORE_INVALID`,
 *   `OUTPUT_UNWRITABLE`; the last three also from every method, if the database fails later or the store is closed.
 */
export async function openStore(location: string, { signal }: OpenStoreOptions = {}): Promise<AdaptationStore> {
  throwIfAborted(signal);
  if (location.trim() === '') {
    throw new IteraError('INVALID_ARGUMENT', 'Expected a folder or the address of a PostgreSQL server, got nothing.');
  }
  return createStore(await openDatabase(location, signal));
}

/** Each kind of database is loaded when one is opened: they are large, and most programs need none. */
async function openDatabase(location: string, signal: AbortSignal | undefined): Promise<StoreDatabase> {
  if (/^postgres(ql)?:/i.test(location)) {
    const { openServerDatabase } = await import('./server-database.ts');
    return openServerDatabase(location, { signal });
  }
  const { openEmbeddedDatabase } = await import('./embedded-database.ts');
  return openEmbeddedDatabase(location, signal);
}
