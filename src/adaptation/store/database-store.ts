import { IteraError } from '../../core/errors.ts';
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
