import { type Static, Type } from 'typebox';
import { Errors } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { readLines } from '../data/lines-file.ts';
import { isStorable } from './store/canonical-json.ts';
import type { NewFeedback, StoredFeedback } from './store/store-records.ts';

/** Characters that a text of feedback may have: far more than a model of this kind can use. */
const text = Type.String({ minLength: 1, maxLength: 20_000 });
const name = Type.String({ minLength: 1, maxLength: 200 });

/** One line of a feedback file. */
const feedbackSchema = Type.Object(
  {
    prompt: text,
    output: Type.Optional(text),
    rating: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })),
    correct: Type.Optional(Type.Boolean()),
    correction: Type.Optional(text),
    comment: Type.Optional(text),
    client: Type.Optional(name),
    tags: Type.Optional(Type.Array(name, { maxItems: 32 })),
    /** Version that wrote the output, where it is known. */
    version: Type.Optional(name),
    /** In files that were exported; read, and given anew on import. */
    id: Type.Optional(Type.String()),
    createdAt: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/** A line that is no feedback, and why. */
export interface FeedbackFault {
  readonly line: number;
  readonly problem: string;
}

/** More faults than these are counted, but not described. */
const describedFaults = 5;

/**
 * Reads feedback from a file of JSON objects, one a line; blank lines are skipped.
 *
 * @param options - `skipInvalid`: leave out lines that are no feedback, in place of refusing the file.
 * @throws {@link IteraError} `FEEDBACK_INVALID` with the first lines that are no feedback, `TEXT_INVALID_UTF8`,
 *   `FILE_UNREADABLE`, `DATASET_INVALID` for a line without end, `ABORTED`.
 */
export async function readFeedbackFile(
  path: string,
  { skipInvalid = false, signal }: { readonly skipInvalid?: boolean; readonly signal?: AbortSignal } = {},
): Promise<{ readonly items: readonly NewFeedback[]; readonly faults: readonly FeedbackFault[] }> {
  const items: NewFeedback[] = [];
  const faults: FeedbackFault[] = [];
  try {
    for await (const { number, text: line } of readLines(path, signal)) {
      if (line.trim() === '') continue;
      const read = parseLine(line);
      if (typeof read === 'string') faults.push({ line: number, problem: read });
      else items.push(read);
    }
  } catch (error) {
    if (!(error instanceof IteraError && error.code === 'TEXT_INVALID_UTF8')) throw error;
    // Of several files, which one.
    throw new IteraError(error.code, `${path}: ${error.message}`, { ...error.data, path }, { cause: error });
  }
  if (faults.length > 0 && !skipInvalid) {
    const shown = faults.slice(0, describedFaults).map(({ line, problem }) => `line ${line}: ${problem}`);
    const more = faults.length > describedFaults ? `; and ${faults.length - describedFaults} more lines` : '';
    const message = `Expected feedback on every line of ${path}, but ${shown.join('; ')}${more}. Nothing was imported. Correct the lines, or leave them out with --skip-invalid.`;
    throw new IteraError('FEEDBACK_INVALID', message, { path, faults });
  }
  return { items, faults };
}

/** Feedback, or what is wrong with the line. */
function parseLine(line: string): NewFeedback | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    return `no JSON (${printable((cause as Error).message)})`;
  }
  const [fault] = Errors(feedbackSchema, json);
  if (fault) return printable(describeFault(fault));
  const { id: _, createdAt: __, ...item } = json as Static<typeof feedbackSchema>;
  const unstorable = Object.entries(item).find(([, value]) => [value].flat().some((part) => !isStorable(String(part))));
  if (unstorable) return `${unstorable[0]} holds a NUL character or half of a surrogate pair`;
  const isJudged = item.rating !== undefined || item.correct !== undefined || item.correction !== undefined;
  if (!isJudged) return 'a rating, correct or a correction is missing';
  if (item.output === undefined && item.correction === undefined)
    return 'output is missing, and there is no correction';
  return item;
}

/** A message that quotes a file, for a terminal: control characters must not reach it. */
const printable = (message: string): string => message.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');

function describeFault({ instancePath, keyword, params, message }: ReturnType<typeof Errors>[number]): string {
  const at = instancePath.slice(1).replaceAll('/', '.');
  if (keyword === 'required') {
    return `${(params as { requiredProperties: readonly string[] }).requiredProperties.join(', ')} is missing`;
  }
  // TypeBox says so of a field that the schema does not name.
  if (keyword === 'boolean') return `${at} is no field of feedback`;
  return at === '' ? message : `${at} ${message}`;
}

/** Feedback as a line that {@link readFeedbackFile} reads. */
export function formatFeedback(feedback: StoredFeedback): string {
  const { id, createdAt, prompt, output, rating, correct, correction, comment, client, tags, version } = feedback;
  const line = { id, createdAt, prompt, output, rating, correct, correction, comment, client, version };
  return JSON.stringify({ ...line, ...(tags && tags.length > 0 && { tags }) });
}
