import { isDeepStrictEqual } from 'node:util';
import { IteraError } from '../../core/errors.ts';
import { omitNulls } from './record-row.ts';
import type { Deployment, DeploymentChange } from './store-records.ts';
import { deployment } from './store-schema.ts';
import type { Queries, StoreSession } from './store-session.ts';
import { requireVersions } from './version-table.ts';

/** Undefined before the first version. */
export async function readDeployment(queries: Queries): Promise<Deployment | undefined> {
  const [row] = await queries.select().from(deployment);
  return row && toDeployment(row);
}

/**
 * Changes what answers, if it still is what the change was decided on.
 *
 * @throws {@link IteraError} `DEPLOYMENT_CHANGED` if not, and as {@link applyDeployment}.
 */
export async function changeDeployment(
  session: StoreSession,
  from: Deployment,
  { action, next, reason, evidence }: DeploymentChange,
): Promise<Deployment> {
  return session.change(async ({ queries, at, audit }) => {
    const current = await readDeployment(queries);
    // As JSON, which knows no difference between a part that is absent and one that is undefined.
    if (!isDeepStrictEqual(current, JSON.parse(JSON.stringify(from)))) throw changed(from, current);
    const done = await applyDeployment(queries, next, at);
    await audit(action, { ...done, reason, evidence });
    return done.next;
  });
}

/**
 * Checks that a run's change of the deployment was decided on what is promoted now: a promotion names it as the previous
 * version, a canary leaves it promoted.
 *
 * @throws {@link IteraError} `DEPLOYMENT_CHANGED`.
 */
export function requireStanding(current: Deployment | undefined, { action, next }: DeploymentChange): void {
  if (action === 'rollback') return;
  const promoted = action === 'promote' ? next.previous : next.promoted;
  if (promoted !== current?.promoted) throw changed(promoted === undefined ? {} : { promoted }, current);
}

/**
 * Puts a deployment in the place of the one there is.
 *
 * @returns Both, as they are recorded.
 * @throws {@link IteraError} `VERSION_UNKNOWN` for a version that is not there or whose folder is gone, `INVALID_ARGUMENT`
 *   for a share.
 */
export async function applyDeployment(
  queries: Queries,
  { promoted, previous, canary }: Omit<Deployment, 'since'>,
  since: Date,
): Promise<{ from: Deployment | undefined; next: Deployment }> {
  if (canary && !(canary.share > 0 && canary.share < 1)) {
    const message = `Expected a share of clients above 0 and below 1 for a canary, got ${canary.share}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { share: canary.share });
  }
  await requireVersions(
    queries,
    versionsOf({ promoted, ...(previous !== undefined && { previous }), ...(canary && { canary }) }),
  );
  const from = await readDeployment(queries);
  const row = {
    ...{ promoted, previous: previous ?? null, since },
    ...{ canaryVersion: canary?.version ?? null, canaryShare: canary?.share ?? null },
  };
  await queries.insert(deployment).values(row).onConflictDoUpdate({ target: deployment.only, set: row });
  return { from, next: toDeployment({ only: true, ...row }) };
}

/** The versions that answer, or that a rollback returns to. */
export function versionsOf({ promoted, previous, canary }: Omit<Deployment, 'since'>): string[] {
  return [...new Set([promoted, previous, canary?.version].filter((id) => id !== undefined))];
}

function toDeployment({
  only: _,
  canaryVersion,
  canaryShare,
  since,
  ...row
}: typeof deployment.$inferSelect): Deployment {
  const canary = canaryVersion === null ? {} : { canary: { version: canaryVersion, share: canaryShare! } };
  return { ...omitNulls(row), ...canary, since: since.toISOString() };
}

function changed(expected: Partial<Deployment>, current: Deployment | undefined): IteraError {
  const message =
    `Expected the deployment that the change was decided on (${JSON.stringify(expected)}), got ` +
    `${current === undefined ? 'none' : JSON.stringify(current)}. Look at what is deployed now and decide again.`;
  return new IteraError('DEPLOYMENT_CHANGED', message, { expected, current });
}
