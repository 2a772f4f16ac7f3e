import { setMaxListeners } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { VariantName } from '../models/variants.ts';
import type { ComputeAccount } from './compute-ledger.ts';
import { badRequest, HttpError } from './http-error.ts';
import type { RoutedLease } from './model-router.ts';
import { type Energy, requestEnergy } from './request-energy.ts';
import type { ServedModel } from './served-model.ts';
import type { ServerContext } from './server-context.ts';

/** A request that has its turn, and a model. */
export interface Task {
  readonly model: ServedModel;
  readonly version: string;
  readonly variant: VariantName;
  /** Fires when the client goes away, the deadline has passed or the server stops. */
  readonly signal: AbortSignal;
  /** To be called at each token that is drawn. */
  sawToken(): void;
  /** Milliseconds from the request to its first token; to now if there was none. */
  firstTokenMs(): number;
  totalMs(): number;
  /** What it took so far. */
  energy(): Energy;
  /** What to answer: the reason of the signal, if that is why something failed. */
  explain(error: unknown): unknown;
  /** Gives turn and model back; calling it twice does nothing. */
  end(): void;
}

export interface TaskOptions {
  readonly variant?: VariantName | undefined;
  /** Who asks, for the canary. */
  readonly person?: string | undefined;
  /** Generations at once. Default 1. */
  readonly weight?: number;
}

/**
 * Waits until a request may go on.
 *
 * @throws {@link HttpError} 503 if too many wait, 504 after the deadline; what loading the variant throws.
 */
export async function openTask(
  context: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { variant, person = request.keyName ?? request.id, weight = 1 }: TaskOptions = {},
): Promise<Task> {
  const { admission, router, metrics, settings, stopping } = context;
  if (weight > settings.maxConcurrent) {
    const message = `Expected at most ${settings.maxConcurrent} texts in one request, got ${weight}.`;
    throw badRequest(message, 'n');
  }
  const started = performance.now();
  const controller = new AbortController();
  const { signal } = controller;
  // Each of its texts listens, however many there are.
  setMaxListeners(0, signal);
  const abort = (reason: string, error: HttpError): void => {
    if (signal.aborted || hasEnded) return;
    metrics.sawRejection(reason);
    controller.abort(error);
  };
  const onClose = (): void => {
    abort('gone', new HttpError(499, 'The client went away.', { code: 'client_closed_request' }));
    end();
  };
  const onStop = (): void =>
    abort('stopping', new HttpError(503, 'The server stops.', { code: 'stopping', retryAfterS: 5 }));
  const timer = setTimeout(() => {
    const message = `The request took longer than the ${settings.deadlineMs} ms that it may.`;
    abort('deadline', new HttpError(504, message, { code: 'deadline_exceeded' }));
  }, settings.deadlineMs);
  reply.raw.once('close', onClose);
  stopping.addEventListener('abort', onStop);

  let leave: (() => void) | undefined;
  let account: ComputeAccount | undefined;
  let lease: RoutedLease | undefined;
  let hasEnded = false;
  const end = (): void => {
    clearTimeout(timer);
    stopping.removeEventListener('abort', onStop);
    if (account && !hasEnded) metrics.sawTask((performance.now() - started) / 1000);
    hasEnded = true;
    account?.close();
    leave?.();
    lease?.release();
  };
  const explain = (error: unknown): unknown => (signal.aborted ? signal.reason : error);
  try {
    leave = await admission.acquire(weight, signal);
    metrics.sawQueue((performance.now() - started) / 1000);
    lease = await router.use(person, variant);
    account = context.ledger.open(weight);
    signal.throwIfAborted();
  } catch (error) {
    end();
    if (error instanceof HttpError && error.details.code === 'queue_full') metrics.sawRejection('queue');
    throw explain(error);
  }
  let firstMs: number | undefined;
  return {
    ...{ model: lease.model, version: lease.version, variant: lease.variant, signal },
    sawToken() {
      if (firstMs !== undefined) return;
      firstMs = performance.now() - started;
      metrics.sawFirstToken(firstMs / 1000);
    },
    firstTokenMs: () => firstMs ?? performance.now() - started,
    totalMs: () => performance.now() - started,
    energy: () => requestEnergy(context.machine, account?.seconds() ?? 0),
    explain,
    end,
  };
}

/** What an answer tells of how it came about, besides what it is. */
export function describeTask(task: Task, promptTokens: number) {
  return {
    ...{ version: task.version, variant: task.variant, tokens: { prompt: promptTokens } },
    ...{ total_ms: task.totalMs(), energy: task.energy() },
  };
}

/**
 * Waits as {@link openTask} until a request may go on, answers it, and gives turn and model back.
 *
 * @throws What `answer` throws, or the reason why it was ended.
 */
export async function runTask<Answer>(
  context: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  options: TaskOptions,
  answer: (task: Task) => Promise<Answer>,
): Promise<Answer> {
  const task = await openTask(context, request, reply, options);
  try {
    return await answer(task);
  } catch (error) {
    throw task.explain(error);
  } finally {
    task.end();
  }
}

/**
 * Tokens of a prompt, the end-of-text mark before it included.
 *
 * @throws {@link HttpError} 400 for more than there may be.
 */
export function checkPrompt({ tokenizer, settings }: ServerContext, text: string, param: string): number {
  const count = tokenizer.encode(text).length + 1;
  if (count <= settings.maxPromptTokens) return count;
  const message = `Expected a text of at most ${settings.maxPromptTokens} tokens, got ${count}.`;
  throw badRequest(message, param, 'context_length_exceeded');
}

/** @throws {@link HttpError} 400 for more than one generation may draw. */
export function checkNewTokens({ settings }: ServerContext, count: number, param: string): number {
  if (count <= settings.maxNewTokens) return count;
  throw badRequest(`Expected at most ${settings.maxNewTokens} new tokens, got ${count}.`, param);
}
