import { createHash } from 'node:crypto';
import { IteraError } from '../../core/errors.ts';
import { canonicalJson, isStorable } from './canonical-json.ts';
import type { NewFeedback, NewInference } from './store-records.ts';

/** Longest client, version, variant or tag, in characters: they are looked up, and an index takes no long texts. */
const maximumName = 200;

/** What PostgreSQL keeps in an `integer`. */
const maximumTokens = 2 ** 31 - 1;

const names = ['client', 'version', 'variant'] as const;
const texts = ['prompt', 'output', 'correction', 'comment'] as const;

/**
 * Checks an item of feedback before any of it is kept.
 *
 * @param where - Which item, for the message, e.g. `feedback 3`.
 * @throws {@link IteraError} `FEEDBACK_INVALID`.
 */
export function checkFeedback(item: NewFeedback, where: string): void {
  checkTexts(item, where);
  const { rating, correct, correction, inferenceId, output, tags = [] } = item;
  if (rating !== undefined && !(Number.isInteger(rating) && rating >= 1 && rating <= 5)) {
    throw invalid(`Expected a whole number from 1 to 5 as rating of ${where}, got ${JSON.stringify(rating)}.`);
  }
  if (rating === undefined && correct === undefined && correction === undefined) {
    throw invalid(`Expected a judgement in ${where}, got none. Give a rating, correct, or a correction.`);
  }
  if (output === undefined && correction === undefined && inferenceId === undefined) {
    throw invalid(`Expected an output that ${where} is about, or a correction or the id of an inference, got none.`);
  }
  for (const tag of tags) checkName(tag, `a tag of ${where}`);
}

/** Checks an inference before it is kept; throws as {@link checkFeedback}. */
export function checkInference(inference: NewInference): void {
  checkTexts(inference, 'the inference');
  for (const name of ['promptTokens', 'outputTokens'] as const) {
    const count = inference[name];
    if (count === undefined || (Number.isInteger(count) && count >= 0 && count <= maximumTokens)) continue;
    throw invalid(`Expected a number of tokens as ${name} of the inference, got ${count}.`);
  }
}

/** Checks a text that names something: a client, version, variant or tag; throws as {@link checkFeedback}. */
export function checkName(text: string, what: string): void {
  checkText(text, what);
  if (text.length === 0 || text.length > maximumName) {
    throw invalid(`Expected 1 to ${maximumName} characters as ${what}, got ${text.length}.`);
  }
}

/** What tells feedback from other feedback: who says what of which prompt and output, and which version wrote it. */
export function contentHash({ client, prompt, output, rating, correct, correction, version }: NewFeedback): string {
  const content = { client, prompt, output, rating, correct, correction, version };
  const given = Object.fromEntries(Object.entries(content).filter(([, part]) => part !== undefined));
  return createHash('sha256').update(canonicalJson(given)).digest('hex');
}

function checkTexts(item: NewFeedback | NewInference, where: string): void {
  const record: Partial<Record<(typeof names)[number] | (typeof texts)[number], string>> = item;
  for (const name of texts) {
    if (record[name] !== undefined) checkText(record[name], `${name} of ${where}`);
  }
  for (const name of names) {
    if (record[name] !== undefined) checkName(record[name], `${name} of ${where}`);
  }
}

function checkText(text: string, what: string): void {
  if (isStorable(text)) return;
  const came = text.includes('\0') ? 'a NUL character (U+0000)' : 'half of a surrogate pair';
  throw invalid(`Expected text that the store can keep as ${what}, got ${came} in it. Take it out.`);
}

function invalid(message: string): IteraError {
  return new IteraError('FEEDBACK_INVALID', message);
}
