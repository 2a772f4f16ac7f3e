import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../../src/adaptation/store/store.ts';
import type { StoreDatabase } from '../../../src/adaptation/store/store-session.ts';
import { createRandom } from '../../../src/core/random.ts';
import { describeAudit } from './audit-suite.ts';
import { describeDeployment } from './deployment-suite.ts';
import { describeFeedback } from './feedback-suite.ts';
import { describeRuns } from './run-suite.ts';
import { startProcesses } from './store-processes.ts';
import { describeTables } from './store-tables-suite.ts';
import { base, createSuiteStore } from './suite-store.ts';

/** What the suite needs of a kind of store. */
export interface StoreKind {
  readonly kind: 'embedded' | 'server';
  /** Place of a store that is not there yet, or holds nothing yet. */
  freshLocation(): Promise<string>;
  openDatabase(location: string): Promise<StoreDatabase>;
}

/** What every kind of store does alike. The parts share one store, in this order, and use clients of their own. */
export function describeStore({ kind, freshLocation, openDatabase }: StoreKind): void {
  describe(`the ${kind} store`, () => {
    let database: StoreDatabase | undefined;
    const suite = createSuiteStore(() => database!);

    beforeAll(async () => {
      database = await openDatabase(await freshLocation());
      await suite.store.addBaseVersion(base);
    });
    afterAll(() => database?.close());

    it('says what it is', () => {
      expect(suite.store).toMatchObject({ kind, location: database!.location });
    });

    describeTables(suite);
    describeFeedback(suite);
    describeRuns(suite);
    describeDeployment(suite);
    describeAudit(suite);

    it('refuses work when it is closed, and closes again', async () => {
      const other = await openStore(await freshLocation());
      expect(await other.deployment()).toBeUndefined();
      expect(await other.verifyAudit()).toEqual({ entries: 0 });
      await other.close();
      await other.close();
      await expect(other.deployment()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: /was closed/ });
    });

    it('refuses a store that a newer version has changed', async () => {
      const location = await freshLocation();
      const newer = await openDatabase(location);
      await newer.queries.execute(sql`insert into itera_lite.migrations (hash, created_at) values ('new', 1)`);
      await newer.close();
      await expect(openStore(location)).rejects.toMatchObject({
        code: 'STORE_INVALID',
        message: /2, not all the same/,
      });
    });

    it('stops at an abort', async () => {
      await expect(openStore(suite.store.location, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'ABORTED',
      });
    });

    it('keeps all that was acknowledged, and a whole audit log, when its process is killed at any moment', async () => {
      const location = await freshLocation();
      const [times, random] = [5, createRandom(11)];
      const acknowledged: string[] = [];
      for (const child of await startProcesses(times)) {
        child.begin('feedback', location);
        acknowledged.push(await child.hear());
        await new Promise((resolve) => setTimeout(resolve, random.uniform() * 200));
        acknowledged.push(...(await child.kill()));
      }
      const survived = await openStore(location);
      const prompts = (await survived.listFeedback()).map(({ prompt }) => prompt);
      // Each call adds two with the same prompt; the last may be there without an answer.
      const kept = new Set(prompts);
      expect(prompts).toHaveLength(2 * kept.size);
      expect(acknowledged.filter((prompt) => !kept.has(prompt))).toEqual([]);
      expect(kept.size - acknowledged.length).toBeLessThanOrEqual(times);
      expect(await survived.verifyAudit()).toEqual({ entries: kept.size });
      await survived.close();
    });
  });
}
