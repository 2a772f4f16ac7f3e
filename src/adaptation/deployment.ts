import { IteraError } from '../core/errors.ts';
import { defaultFalseAlarmRate, type LiveTest, testLiveFeedback } from './live-test.ts';
import type { AdaptationStore, Deployment, ModelVersion } from './store/store-records.ts';
import { checkVersion } from './version-folder.ts';

/** @throws {@link IteraError} `VERSION_UNKNOWN` before there is any version. */
export async function currentDeployment(store: AdaptationStore): Promise<Deployment> {
  const deployment = await store.deployment();
  if (deployment) return deployment;
  const message = `There is no version yet in ${store.location}. The first adaptation records the model as v1: itera-lite adapt.`;
  throw new IteraError('VERSION_UNKNOWN', message, { location: store.location });
}

/** @throws {@link IteraError} `VERSION_UNKNOWN`. */
export function findVersion(versions: readonly ModelVersion[], id: string): ModelVersion {
  const found = versions.find((version) => version.id === id);
  if (found) return found;
  const known = versions.map((version) => version.id).join(', ') || 'none yet';
  throw new IteraError('VERSION_UNKNOWN', `Expected a version (${known}), got ${JSON.stringify(id)}.`, { id });
}

/**
 * Lets a version answer: all clients, or a share of them as a canary.
 *
 * @throws {@link IteraError} `VERSION_UNKNOWN`, `VERSION_CORRUPT`, `DEPLOYMENT_CHANGED`, `INVALID_ARGUMENT` for a share
 *   that is none or a version that answers already.
 */
export async function promoteVersion(
  store: AdaptationStore,
  versionsDir: string,
  id: string,
  { canaryShare, reason = 'by hand' }: { readonly canaryShare?: number; readonly reason?: string } = {},
): Promise<Deployment> {
  const from = await currentDeployment(store);
  await checkVersion(findVersion(await store.listVersions(), id), versionsDir);
  if (canaryShare !== undefined && !(canaryShare > 0 && canaryShare < 1)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a canary's share above 0 and below 1, got ${canaryShare}.`);
  }
  if (from.promoted === id) throw new IteraError('INVALID_ARGUMENT', `${id} is promoted already.`, { id });
  if (canaryShare !== undefined) {
    const { promoted, previous } = from;
    const next = { promoted, ...(previous && { previous }), canary: { version: id, share: canaryShare } };
    return store.changeDeployment(from, { action: 'canary', next, reason });
  }
  return store.changeDeployment(from, { action: 'promote', next: { promoted: id, previous: from.promoted }, reason });
}

/**
 * Ends a canary, or without one returns to the version that was promoted before.
 *
 * @throws {@link IteraError} `VERSION_UNKNOWN` if there is nothing to return to, `VERSION_CORRUPT`, `DEPLOYMENT_CHANGED`.
 */
export async function rollBack(
  store: AdaptationStore,
  versionsDir: string,
  { reason = 'by hand', evidence }: { readonly reason?: string; readonly evidence?: LiveTest } = {},
): Promise<Deployment> {
  const from = await currentDeployment(store);
  const because = { reason, ...(evidence && { evidence: { ...evidence } }) };
  if (from.canary) {
    const next = { promoted: from.promoted, ...(from.previous && { previous: from.previous }) };
    return store.changeDeployment(from, { action: 'endCanary', next, ...because });
  }
  if (from.previous === undefined) {
    throw new IteraError(
      'VERSION_UNKNOWN',
      `Nothing was promoted before ${from.promoted}: there is nothing to return to.`,
    );
  }
  await checkVersion(findVersion(await store.listVersions(), from.previous), versionsDir);
  return store.changeDeployment(from, { action: 'rollback', next: { promoted: from.previous }, ...because });
}

/** What live feedback says of the version that is new, and whether it was taken back for it. */
export interface LiveCheck {
  readonly version: string;
  readonly against: string;
  readonly test: LiveTest;
  readonly rolledBack: boolean;
}

/**
 * Compares live judgements on the canary with those on the promoted version, or without a canary those on the promoted
 * version with those on the one before, and rolls back if it is worse; see {@link testLiveFeedback}.
 *
 * @returns Undefined if nothing is new.
 * @throws {@link IteraError} what {@link rollBack} throws.
 */
export async function checkLiveFeedback(
  store: AdaptationStore,
  versionsDir: string,
  falseAlarmRate: number = defaultFalseAlarmRate,
): Promise<LiveCheck | undefined> {
  const deployment = await store.deployment();
  const version = deployment?.canary?.version ?? (deployment?.previous ? deployment.promoted : undefined);
  const against = deployment?.canary ? deployment.promoted : deployment?.previous;
  if (version === undefined || against === undefined) return undefined;
  const [old, now] = [await store.liveJudgements(against), await store.liveJudgements(version)];
  const test = testLiveFeedback(old.bad, now.bad, falseAlarmRate);
  if (test.isWorse) {
    const shares = `${percent(test.badShare.new)} of its answers are judged bad, ${percent(test.badShare.old)} of ${against}'s`;
    const reason = `live feedback on ${version}: ${shares}, ${test.pairs} pairs, false-alarm rate ${falseAlarmRate}`;
    await rollBack(store, versionsDir, { reason, evidence: test });
  }
  return { version, against, test, rolledBack: test.isWorse };
}

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
