import { and, inArray, ne } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { applyDeployment, readDeployment, versionsOf } from './deployment-row.ts';
import type { NewVersion } from './store-records.ts';
import { modelVersions } from './store-schema.ts';
import type { StoreSession } from './store-session.ts';
import { insertVersion, requireVersions } from './version-table.ts';

/** Keeps the first version of all, promoted; does nothing if there is one. */
export async function addBaseVersion(session: StoreSession, version: NewVersion): Promise<void> {
  const isThere = await session.run(readDeployment);
  if (isThere) return;
  await session.change(async ({ queries, at, audit }) => {
    // Another process may have been faster.
    if (await readDeployment(queries)) return;
    await insertVersion(queries, version, at);
    const { next } = await applyDeployment(queries, { promoted: version.id }, at);
    await audit('addBaseVersion', { version, next });
  });
}

/**
 * Records that the folders of versions are gone.
 *
 * @throws {@link IteraError} `VERSION_UNKNOWN`; `DEPLOYMENT_CHANGED` for one that answers or that a rollback returns to, so
 *   say so before the folders are removed.
 */
export async function markDeleted(session: StoreSession, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await session.change(async ({ queries, audit }) => {
    await requireVersions(queries, ids, { deleted: true });
    const deployment = await readDeployment(queries);
    const used = deployment ? versionsOf(deployment).filter((id) => ids.includes(id)) : [];
    if (used.length > 0) {
      const message = `Expected versions that are not in use to be marked as deleted, got ${used.join(', ')}, in use now.`;
      throw new IteraError('DEPLOYMENT_CHANGED', message, { used });
    }
    const marked = await queries
      .update(modelVersions)
      .set({ state: 'deleted' })
      .where(and(inArray(modelVersions.id, [...ids]), ne(modelVersions.state, 'deleted')))
      .returning({ id: modelVersions.id });
    if (marked.length > 0) await audit('deleteVersions', { versions: marked.map(({ id }) => id).sort() });
  });
}
