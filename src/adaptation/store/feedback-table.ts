import { randomUUID } from 'node:crypto';
import { and, arrayContains, asc, eq, gt, inArray, notInArray, type SQL, sql } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { checkFeedback, checkName, contentHash } from './feedback-content.ts';
import { fillFromInferences } from './inference-table.ts';
import { judge } from './judgement.ts';
import { isUuid, omitNulls } from './record-row.ts';
import type { FeedbackFilter, LiveJudgements, NewFeedback, StoredFeedback } from './store-records.ts';
import { adaptationRuns, feedback, inferences } from './store-schema.ts';
import type { StoreSession } from './store-session.ts';

/** Rows of one statement: PostgreSQL allows 65,535 values in it. */
const batch = 1000;

/** Keeps feedback, all or nothing; see {@link AdaptationStore.addFeedback}. */
export async function addFeedback(
  session: StoreSession,
  items: readonly NewFeedback[],
): Promise<{ ids: string[]; duplicates: number }> {
  for (const [index, item] of items.entries()) checkFeedback(item, `feedback ${index + 1}`);
  if (items.length === 0) return { ids: [], duplicates: 0 };
  return session.change(async ({ queries, at, audit }) => {
    const filled = await fillFromInferences(queries, items);
    const ids: string[] = [];
    for (let start = 0; start < filled.length; start += batch) {
      const rows = filled.slice(start, start + batch).map((item) => toRow(item, at));
      const kept = await queries
        .insert(feedback)
        .values(rows)
        .onConflictDoNothing({ target: feedback.contentHash })
        .returning({ id: feedback.id });
      ids.push(...kept.map(({ id }) => id));
    }
    const duplicates = items.length - ids.length;
    if (ids.length > 0) await audit('addFeedback', { count: ids.length, duplicates, ids });
    return { ids, duplicates };
  });
}

function toRow(item: NewFeedback, createdAt: Date): typeof feedback.$inferInsert {
  const { inferenceId, prompt, output, rating, correct, correction, comment, client, tags, version } = item;
  return {
    ...{ id: randomUUID(), createdAt, inferenceId, prompt, output, rating, correct, correction, comment, client },
    ...{ tags: tags && [...new Set(tags)], version, contentHash: contentHash(item) },
  };
}

/** Feedback in the order in which it came. */
export async function listFeedback(session: StoreSession, filter: FeedbackFilter = {}): Promise<StoredFeedback[]> {
  const condition = toCondition(filter);
  const rows = await session.run((queries) =>
    queries.select().from(feedback).where(condition).orderBy(asc(feedback.position)),
  );
  return rows.map(({ position: _, contentHash: __, createdAt, ...row }) => ({
    ...omitNulls(row),
    createdAt: createdAt.toISOString(),
  }));
}

/** Deletes feedback, and of a whole client also its inferences; returns how much feedback it was. */
export async function deleteFeedback(session: StoreSession, filter: FeedbackFilter): Promise<number> {
  const condition = toCondition(filter);
  const { client, ...others } = filter;
  const isWholeClient = client !== undefined && Object.values(others).every((part) => part === undefined);
  return session.change(async ({ queries, audit }) => {
    const deleted = await queries.delete(feedback).where(condition).returning({ id: feedback.id });
    const ids = deleted.map(({ id }) => id);
    const gone = isWholeClient
      ? await queries.delete(inferences).where(eq(inferences.client, client)).returning({ id: inferences.id })
      : [];
    if (ids.length + gone.length > 0) {
      await audit('deleteFeedback', { count: ids.length, ids, inferences: gone.map(({ id }) => id) });
    }
    return ids.length;
  });
}

/** Feedback with a bad judgement since the last run that was not skipped or failed started. */
export async function countNewNegative(session: StoreSession): Promise<number> {
  return session.run(async (queries) => {
    const lastStart = queries
      .select({ at: sql`max(${adaptationRuns.startedAt})` })
      .from(adaptationRuns)
      .where(notInArray(adaptationRuns.status, ['skipped', 'failed']));
    const rows = await queries
      .select(judged)
      .from(feedback)
      .where(sql`${feedback.createdAt} > coalesce((${lastStart}), '-infinity')`);
    return rows.filter((row) => judge(omitNulls(row)) === 'bad').length;
  });
}

/** Judgements on a version's outputs in the order in which they came, without those that say neither good nor bad. */
export async function readLiveJudgements(session: StoreSession, version: string): Promise<LiveJudgements> {
  checkName(version, 'the version');
  const rows = await session.run((queries) =>
    queries.select(judged).from(feedback).where(eq(feedback.version, version)).orderBy(asc(feedback.position)),
  );
  const judgements = rows.map((row) => judge(omitNulls(row))).filter((judgement) => judgement !== 'none');
  return { version, bad: judgements.map((judgement) => judgement === 'bad') };
}

const judged = {
  correct: feedback.correct,
  rating: feedback.rating,
  correction: feedback.correction,
  output: feedback.output,
};

function toCondition({ ids, client, tag, version, since }: FeedbackFilter): SQL | undefined {
  for (const [name, text] of Object.entries({ client, tag, version })) {
    if (text !== undefined) checkName(text, `${name} of the filter`);
  }
  return and(
    ids && inArray(feedback.id, ids.filter(isUuid)),
    client === undefined ? undefined : eq(feedback.client, client),
    tag === undefined ? undefined : arrayContains(feedback.tags, [tag]),
    version === undefined ? undefined : eq(feedback.version, version),
    since === undefined ? undefined : gt(feedback.createdAt, toMoment(since)),
  );
}

function toMoment(text: string): Date {
  const moment = new Date(text);
  if (!Number.isNaN(moment.getTime())) return moment;
  throw new IteraError('INVALID_ARGUMENT', `Expected a moment in ISO 8601 as since, got ${JSON.stringify(text)}.`);
}
