import { sql } from 'drizzle-orm';
import { rowsOf } from '../../../src/adaptation/store/audit-log.ts';
import { createStore } from '../../../src/adaptation/store/database-store.ts';
import type { AdaptationStore, AuditEntry, NewRun, NewVersion } from '../../../src/adaptation/store/store-records.ts';
import type { StoreDatabase } from '../../../src/adaptation/store/store-session.ts';

/** The store that the parts of the suite share, and ways around it. */
export interface SuiteStore {
  readonly store: AdaptationStore;
  readonly database: StoreDatabase;
  /** Runs a statement on the store's database. */
  execute(text: string): Promise<Record<string, unknown>[]>;
  /** The newest entry of the audit log. */
  lastAction(): Promise<AuditEntry>;
}

export const base: NewVersion = {
  ...{ id: 'v1', model: 'toy', folder: 'v1', state: 'kept' },
  files: { 'model.safetensors': 'ab' },
};

export const run: NewRun = { trigger: 'manual', seed: 7, parent: 'v1', settings: { steps: 10, note: null } };

/** A UUID that nothing has. */
export const unknownId = '00000000-0000-4000-8000-000000000000';

/** What the suite shares, on a database that is opened later. */
export function createSuiteStore(opened: () => StoreDatabase): SuiteStore {
  let store: AdaptationStore | undefined;
  return {
    get store() {
      store ??= createStore(opened());
      return store;
    },
    get database() {
      return opened();
    },
    async execute(text) {
      return rowsOf<Record<string, unknown>>(await opened().queries.execute(sql.raw(text)));
    },
    async lastAction() {
      return (await this.store.readAudit()).at(-1)!;
    },
  };
}
