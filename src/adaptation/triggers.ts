import type { AdaptationStore, RunTrigger } from './store/store-records.ts';

/** When a run is due. */
export interface TriggerSettings {
  /** New negative feedback that starts a run. Default 50. */
  readonly negatives?: number;
  /** Hours after the last run at which another starts if there is any new negative feedback; absent: no schedule. */
  readonly everyHours?: number;
}

export const defaultNegatives = 50;

/** Why a run is due now; undefined if it is not. */
export async function dueTrigger(
  store: AdaptationStore,
  { negatives = defaultNegatives, everyHours }: TriggerSettings = {},
  now: Date = new Date(),
): Promise<Exclude<RunTrigger, 'manual'> | undefined> {
  const count = await store.countNewNegative();
  if (count >= negatives) return 'negativeFeedback';
  if (everyHours === undefined || count === 0) return undefined;
  const [last] = await store.listRuns(1);
  const hours = last ? (now.getTime() - Date.parse(last.startedAt)) / 3_600_000 : Number.POSITIVE_INFINITY;
  return hours >= everyHours ? 'schedule' : undefined;
}
