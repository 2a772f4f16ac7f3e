import { randomUUID } from 'node:crypto';
import { inArray } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { checkInference } from './feedback-content.ts';
import { isUuid, omitNulls } from './record-row.ts';
import type { NewFeedback, NewInference } from './store-records.ts';
import { inferences } from './store-schema.ts';
import type { Queries, StoreSession } from './store-session.ts';

/** Ids that are looked up in one statement. */
const lookUps = 1000;

/** Keeps what a model was asked and wrote, and returns its id; throws `FEEDBACK_INVALID` for texts that cannot be kept. */
export async function recordInference(session: StoreSession, inference: NewInference): Promise<string> {
  checkInference(inference);
  const { prompt, output, client, version, variant, promptTokens, outputTokens } = inference;
  const row = { id: randomUUID(), prompt, output, client, version, variant, promptTokens, outputTokens };
  await session.run((queries) => queries.insert(inferences).values(row));
  return row.id;
}

/**
 * Feedback with prompt, output, client and version of the inferences that it is about.
 *
 * @throws {@link IteraError} `FEEDBACK_INVALID` for an inference that is not recorded.
 */
export async function fillFromInferences(queries: Queries, items: readonly NewFeedback[]): Promise<NewFeedback[]> {
  const ids = [...new Set(items.flatMap(({ inferenceId }) => inferenceId?.toLowerCase() ?? []))].filter(isUuid);
  const found = new Map<string, Pick<NewFeedback, 'prompt' | 'output' | 'client' | 'version'>>();
  for (let start = 0; start < ids.length; start += lookUps) {
    const { id, prompt, output, client, version } = inferences;
    const rows = await queries
      .select({ id, prompt, output, client, version })
      .from(inferences)
      .where(inArray(id, ids.slice(start, start + lookUps)));
    for (const { id, ...row } of rows) found.set(id, omitNulls(row));
  }
  return items.map((item, index) => {
    if (item.inferenceId === undefined) return item;
    const inferenceId = item.inferenceId.toLowerCase();
    const inference = found.get(inferenceId);
    if (inference !== undefined) {
      const { client: _, version: __, ...own } = item;
      return { ...own, inferenceId, ...inference };
    }
    const message = `Expected the id of a recorded inference in feedback ${index + 1}, got ${JSON.stringify(item.inferenceId)}.`;
    throw new IteraError('FEEDBACK_INVALID', message, { inferenceId: item.inferenceId });
  });
}
