import { describe, expect, it } from 'vitest';
import { base, type SuiteStore } from './suite-store.ts';

/** Versions and which of them answer: v2 is promoted, after v1. */
export function describeDeployment(suite: SuiteStore): void {
  describe('deployment', () => {
    it('changes only from what it is', async () => {
      const from = (await suite.store.deployment())!;
      const canary = { action: 'canary', next: { promoted: 'v2', previous: 'v1' }, reason: 'test' } as const;
      const change = { ...canary, next: { ...canary.next, canary: { version: 'v1', share: 0.25 } } };
      const changes = await Promise.allSettled([
        suite.store.changeDeployment(from, change),
        suite.store.changeDeployment(from, change),
      ]);
      expect(changes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(changes.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'DEPLOYMENT_CHANGED' },
      });
      const now = (await suite.store.deployment())!;
      expect(now).toEqual({ ...change.next, since: expect.any(String) });
      const back = { action: 'rollback', next: { promoted: 'v1' }, reason: 'worse' } as const;
      expect(await suite.store.changeDeployment(now, back)).toEqual({ promoted: 'v1', since: expect.any(String) });
      expect(await suite.lastAction()).toMatchObject({
        action: 'rollback',
        detail: { from: now, next: { promoted: 'v1' } },
      });
    });

    it('keeps versions that are in use', async () => {
      await expect(suite.store.markDeleted(['v1'])).rejects.toMatchObject({ code: 'DEPLOYMENT_CHANGED' });
      await expect(suite.store.markDeleted(['v2', 'v33'])).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
      await suite.store.markDeleted(['v2']);
      await suite.store.markDeleted(['v2']);
      await suite.store.markDeleted([]);
      expect(await suite.lastAction()).toMatchObject({ action: 'deleteVersions', detail: { versions: ['v2'] } });
      expect((await suite.store.listVersions()).map(({ id, state }) => [id, state])).toEqual([
        ['v1', 'kept'],
        ['v2', 'deleted'],
      ]);
      const gone = { action: 'promote', next: { promoted: 'v2' }, reason: 'by hand' } as const;
      await expect(suite.store.changeDeployment((await suite.store.deployment())!, gone)).rejects.toMatchObject({
        code: 'VERSION_UNKNOWN',
        message: expect.stringMatching(/v2, whose folder was deleted/),
      });
    });

    it('begins with the first version only', async () => {
      const { sequence } = await suite.lastAction();
      await suite.store.addBaseVersion({ ...base, id: 'v5' });
      expect((await suite.lastAction()).sequence).toBe(sequence);
      expect((await suite.store.readAudit())[0]).toMatchObject({
        sequence: 1,
        action: 'addBaseVersion',
        previous: '0'.repeat(64),
      });
    });
  });
}
