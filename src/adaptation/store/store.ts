import { IteraError, throwIfAborted } from '../../core/errors.ts';
import { createSession, readAudit, readStoreId, verifyAudit } from './audit-log.ts';
import { changeDeployment, readDeployment } from './deployment-row.ts';
import { summarizeFeedback } from './feedback-summary.ts';
import { addFeedback, countNewNegative, deleteFeedback, listFeedback, readLiveJudgements } from './feedback-table.ts';
import { recordInference } from './inference-table.ts';
import { endRun, failCrashedRuns, listRuns, startRun, touchRun } from './run-table.ts';
import type { AdaptationStore } from './store-records.ts';
import type { StoreDatabase, StoreSession } from './store-session.ts';
import { addBaseVersion, markDeleted } from './version-retention.ts';
import { listVersions } from './version-table.ts';

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

/** The store on a database that is open; closing the one closes the other. */
export function createStore(database: StoreDatabase): AdaptationStore {
  const { kind, location } = database;
  const opened = createSession(database);
  let isClosed = false;
  const whileOpen =
    <A extends unknown[], T>(method: (session: StoreSession, ...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      if (!isClosed) return method(opened, ...args);
      throw new IteraError('STORE_UNAVAILABLE', `Expected the store ${location} to be open, got one that was closed.`);
    };
  return {
    kind,
    location,
    readId: whileOpen(readStoreId),
    recordInference: whileOpen(recordInference),
    addFeedback: whileOpen(addFeedback),
    listFeedback: whileOpen(listFeedback),
    summarizeFeedback: whileOpen(summarizeFeedback),
    deleteFeedback: whileOpen(deleteFeedback),
    countNewNegative: whileOpen(countNewNegative),
    liveJudgements: whileOpen(readLiveJudgements),
    startRun: whileOpen(startRun),
    touchRun: whileOpen(touchRun),
    endRun: whileOpen(endRun),
    failCrashedRuns: whileOpen(failCrashedRuns),
    listRuns: whileOpen(listRuns),
    addBaseVersion: whileOpen(addBaseVersion),
    listVersions: whileOpen(listVersions),
    markDeleted: whileOpen(markDeleted),
    deployment: whileOpen((session) => session.run(readDeployment)),
    changeDeployment: whileOpen(changeDeployment),
    readAudit: whileOpen(readAudit),
    verifyAudit: whileOpen(verifyAudit),
    close: async () => {
      isClosed = true;
      await database.close();
    },
  };
}
