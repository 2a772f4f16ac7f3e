import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorBody, toHttpError } from './http-error.ts';
import type { Task } from './task.ts';

/**
 * Answers with server-sent events, `data: JSON` each and `data: [DONE]` at the end. What fails before the first event is
 * answered as an error; what fails later ends the stream with an event that holds it.
 *
 * @param events - Ended early if the client goes away.
 * @param task - Ended with the stream.
 */
export async function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  task: Task,
  events: AsyncGenerator<object, void, undefined>,
): Promise<FastifyReply> {
  let first: IteratorResult<object, void>;
  try {
    first = await events.next();
  } catch (error) {
    task.end();
    throw task.explain(error);
  }
  async function* lines(): AsyncGenerator<string> {
    try {
      for (let next = first; !next.done; next = await events.next()) yield `data: ${JSON.stringify(next.value)}\n\n`;
      yield 'data: [DONE]\n\n';
    } catch (error) {
      const fault = toHttpError(task.explain(error), request.id);
      if (fault.statusCode === 500) request.log.error({ err: error }, 'failed within a stream');
      yield `data: ${JSON.stringify(errorBody(fault))}\n\n`;
    } finally {
      task.end();
      await events.return();
    }
  }
  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-cache')
    // Proxies that collect an answer before they pass it on would defeat streaming.
    .header('x-accel-buffering', 'no');
  return reply.send(Readable.from(lines()));
}

/** The values of several generators as they come; ends the others if one fails or the reader leaves. */
export async function* mergeGenerators<T>(
  generators: readonly AsyncGenerator<T, unknown, undefined>[],
): AsyncGenerator<T, void, undefined> {
  const next = (at: number) => (generators[at] as AsyncGenerator<T>).next().then((result) => ({ at, result }));
  const pending = new Map(generators.map((_, at) => [at, next(at)]));
  try {
    while (pending.size > 0) {
      const { at, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(at);
      else {
        pending.set(at, next(at));
        yield result.value;
      }
    }
  } finally {
    for (const left of pending.values()) left.catch(() => undefined);
    await Promise.allSettled(generators.map((generator) => generator.return(undefined)));
  }
}
