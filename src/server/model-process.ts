import { IteraError } from '../core/errors.ts';
import type { GenerationPiece } from '../runtime/generation.ts';
import { type ProcessUsage, readUsage } from './process-usage.ts';
import {
  loadServedModel,
  type ScoreOptions,
  type ServedGeneration,
  type ServedModel,
  type ServedModelSettings,
} from './served-model.ts';

/** What the process is asked; `load` comes first, and is answered as the call 0. */
export type ModelQuestion =
  | { readonly ask: 'load'; readonly dir: string; readonly settings: ServedModelSettings }
  | { readonly ask: 'generate'; readonly id: number; readonly prompt: string; readonly options: ServedGeneration }
  | { readonly ask: 'score'; readonly id: number; readonly text: string; readonly options: ScoreOptions }
  | { readonly ask: 'suggest'; readonly id: number; readonly prefix: string; readonly count: number }
  | { readonly ask: 'cancel'; readonly id: number };

/** What it says about one call; nothing more comes after `done` or `error`. */
export type ModelAnswer =
  | { readonly id: number; readonly piece: GenerationPiece }
  | { readonly id: number; readonly done: unknown }
  | {
      readonly id: number;
      readonly error: { readonly code: string; readonly message: string; readonly data: Record<string, unknown> };
    };

/** Some answers, and what the process has used so far. */
export interface ModelMessage {
  readonly answers: readonly ModelAnswer[];
  readonly usage: ProcessUsage;
}

// The program of the process: serves one model to whoever started it.
let model: ServedModel | undefined;
const calls = new Map<number, AbortController>();

// A message costs about as much as a token of a small model, so they are sent at most so often, except for what someone waits
// for: the first piece of a text, and the end of a call. What comes in one turn, such as a batch's tokens, goes together.
const betweenMs = 2;
let unsent: ModelAnswer[] = [];
let sentAt = Number.NEGATIVE_INFINITY;
let immediate: NodeJS.Immediate | undefined;
let timer: NodeJS.Timeout | undefined;

function say(answer: ModelAnswer): void {
  unsent.push(answer);
  const isUrgent = !('piece' in answer) || answer.piece.index === 0;
  const restMs = betweenMs - (performance.now() - sentAt);
  if (isUrgent || restMs <= 0) immediate ??= setImmediate(send);
  else timer ??= setTimeout(send, restMs);
}

function send(): void {
  clearImmediate(immediate);
  clearTimeout(timer);
  [immediate, timer] = [undefined, undefined];
  sentAt = performance.now();
  const answers = unsent;
  unsent = [];
  if (process.connected) process.send?.({ answers, usage: recentUsage() } satisfies ModelMessage);
}

// Reading it costs as much as half a token of a small model.
const usageMs = 20;
let usage = readUsage();
let readAt = performance.now();
function recentUsage(): ProcessUsage {
  if (performance.now() - readAt > usageMs || calls.size === 0) {
    usage = readUsage();
    readAt = performance.now();
  }
  return usage;
}

async function answer(question: Exclude<ModelQuestion, { ask: 'load' | 'cancel' }>, signal: AbortSignal) {
  if (!model) throw new IteraError('RUNTIME_FAILED', 'Expected a model to be loaded first.');
  if (question.ask === 'score') return model.score(question.text, { ...question.options, signal });
  if (question.ask === 'suggest') return model.suggest(question.prefix, { count: question.count, signal });
  const { id, prompt, options } = question;
  let text = '';
  for await (const piece of model.generate(prompt, { ...options, signal })) {
    // The first is sent even so: when it came is what the time to the first token is.
    if (!options.whole || piece.index === 0) {
      say({ id, piece });
      continue;
    }
    text += piece.text;
    if (piece.finish) say({ id, piece: { ...piece, text } });
  }
  return undefined;
}

async function serve(id: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  calls.set(id, controller);
  try {
    say({ id, done: await work(controller.signal) });
  } catch (error) {
    const { code, message, data } =
      error instanceof IteraError ? error : { code: 'RUNTIME_FAILED', message: String(error), data: {} };
    say({ id, error: { code, message, data: { ...data } } });
  } finally {
    calls.delete(id);
  }
}

process.on('message', (question: ModelQuestion) => {
  if (question.ask === 'cancel') calls.get(question.id)?.abort();
  else if (question.ask === 'load') {
    void serve(0, async () => {
      model = await loadServedModel(question.dir, question.settings);
    });
  } else void serve(question.id, (signal) => answer(question, signal));
});
// Without whoever asks there is nothing to do.
process.once('disconnect', () => process.exit(0));
// An interrupt from the terminal reaches both processes; the server decides when to stop.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
