import { asc, eq, inArray } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { isUuid, omitNulls } from './record-row.ts';
import type { ModelVersion, NewVersion } from './store-records.ts';
import { modelVersions } from './store-schema.ts';
import type { Queries, StoreSession } from './store-session.ts';

/** All versions, in the order in which they were made. */
export async function listVersions(session: StoreSession): Promise<ModelVersion[]> {
  const rows = await session.run((queries) =>
    queries.select().from(modelVersions).orderBy(asc(modelVersions.position)),
  );
  return rows.map(({ position: _, createdAt, ...row }) => ({ ...omitNulls(row), createdAt: createdAt.toISOString() }));
}

/**
 * Keeps a version within a change.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an id that is none or is taken, `VERSION_UNKNOWN` for its parent.
 */
export async function insertVersion(queries: Queries, version: NewVersion, createdAt: Date): Promise<void> {
  const { id, parent, runId, model, folder, files, state } = version;
  if (!/^v[1-9][0-9]*$/.test(id)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected v1, v2 and so on as a version, got ${JSON.stringify(id)}.`, {
      id,
    });
  }
  if (runId !== undefined && !isUuid(runId)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected the id of a run, got ${JSON.stringify(runId)}.`, { runId });
  }
  const [taken] = await queries.select({ id: modelVersions.id }).from(modelVersions).where(eq(modelVersions.id, id));
  if (taken)
    throw new IteraError('INVALID_ARGUMENT', `Expected the id of a new version, got ${id}, which exists.`, { id });
  if (parent !== undefined) await requireVersions(queries, [parent], { deleted: true });
  await queries.insert(modelVersions).values({ id, createdAt, parent, runId, model, folder, files, state });
}

/**
 * Checks that versions are recorded and that their folders are not gone.
 *
 * @param deleted - Whether those whose folders are gone will do.
 * @throws {@link IteraError} `VERSION_UNKNOWN`.
 */
export async function requireVersions(
  queries: Queries,
  ids: readonly string[],
  { deleted = false }: { readonly deleted?: boolean } = {},
): Promise<void> {
  const { id, state } = modelVersions;
  const found = await queries
    .select({ id, state })
    .from(modelVersions)
    .where(inArray(id, [...ids]));
  for (const wanted of ids) {
    const version = found.find((row) => row.id === wanted);
    if (version && (deleted || version.state !== 'deleted')) continue;
    const came = version ? `${wanted}, whose folder was deleted` : JSON.stringify(wanted);
    const message = `Expected a version that is kept, got ${came}. List the versions to see which there are.`;
    throw new IteraError('VERSION_UNKNOWN', message, { version: wanted });
  }
}
