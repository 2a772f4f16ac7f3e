import { count, desc, sql } from 'drizzle-orm';
import { judge } from './judgement.ts';
import { omitNulls } from './record-row.ts';
import type { FeedbackSummary } from './store-records.ts';
import { feedback } from './store-schema.ts';
import type { StoreSession } from './store-session.ts';

/**
 * Counts all feedback by what it says, and shows the last of it.
 *
 * @param recent - How many pieces to show, newest first.
 */
export async function summarizeFeedback(session: StoreSession, recent: number): Promise<FeedbackSummary> {
  const hasCorrection = sql<boolean>`${feedback.correction} is not null`;
  const isChanged = sql<boolean>`coalesce(${feedback.correction} <> ${feedback.output}, false)`;
  const { rating, correct, version } = feedback;
  const kind = { rating, correct, version, hasCorrection, isChanged };
  const [groups, last] = await session.run(async (queries) => [
    await queries
      .select({ ...kind, size: count() })
      .from(feedback)
      .groupBy(rating, correct, version, hasCorrection, isChanged),
    await queries.select().from(feedback).orderBy(desc(feedback.position)).limit(recent),
  ]);
  const summary = { total: 0, negative: 0, corrections: 0 };
  const ratings: Record<string, number> = {};
  const versions = new Map<string | null, { total: number; negative: number }>();
  for (const { size, ...group } of groups) {
    // The texts themselves do not matter, only whether they differ.
    const texts = group.isChanged ? { output: 'before', correction: 'after' } : {};
    const isBad = judge({ ...omitNulls({ rating: group.rating, correct: group.correct }), ...texts }) === 'bad';
    const own = versions.get(group.version) ?? { total: 0, negative: 0 };
    versions.set(group.version, own);
    for (const counts of [summary, own]) {
      counts.total += size;
      if (isBad) counts.negative += size;
    }
    if (group.hasCorrection) summary.corrections += size;
    if (group.rating !== null) ratings[group.rating] = (ratings[group.rating] ?? 0) + size;
  }
  return {
    ...summary,
    ratings,
    versions: [...versions]
      .map(([name, counts]) => ({ ...(name !== null && { version: name }), ...counts }))
      .sort((a, b) => b.total - a.total),
    recent: last.map(({ position: _, contentHash: __, createdAt, ...row }) => ({
      ...omitNulls(row),
      createdAt: createdAt.toISOString(),
    })),
  };
}
